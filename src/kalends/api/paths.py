"""Which paths are for people, and which of them are files."""

_FOR_PROGRAMS = frozenset({"v1", "docs", "openapi.json", "healthz", "readyz", "metrics"})
"""How paths begin that programs ask for. (`/docs` is a page of programmers, and has a look of its own.)"""
_FILES = frozenset({"static", "favicon.ico", "robots.txt", "embed.js"})
_FILES_OF_ORGANIZATIONS = frozenset({"theme.css", "logo"})


def is_for_people(path: str) -> bool:
    """Return whether a path is that of a page or of something that pages show, or of nothing."""
    return _parts(path)[0] not in _FOR_PROGRAMS


def is_page(path: str) -> bool:
    """Return whether a path is for people, and no file."""
    first, *below = _parts(path)
    if first in _FOR_PROGRAMS | _FILES:
        return False
    return not (len(below) == 1 and below[0] in _FILES_OF_ORGANIZATIONS)


def _parts(path: str) -> list[str]:
    return path.removeprefix("/").split("/")
