"""Which paths are for people, and which of them are files."""

_FOR_PROGRAMS = frozenset({"v1", "docs", "openapi.json", "healthz", "readyz", "metrics"})
"""How paths begin that programs ask for. (`/docs` is a page of programmers, and has a look of its own.)"""
_FILES = frozenset({"static", "favicon.ico", "robots.txt", "embed.js"})


def is_for_people(path: str) -> bool:
    """Return whether a path is that of a page or of something that pages show, or of nothing."""
    if path.startswith("/v1/"):  # as nearly all are that must be answered fast
        return False
    return _parts(path)[0] not in _FOR_PROGRAMS


def is_page(path: str) -> bool:
    """Return whether a path is for people, and no file of the package. An organization's files are read from
    the database, so they count like pages; browsers keep them for ever."""
    return _parts(path)[0] not in _FOR_PROGRAMS | _FILES


def _parts(path: str) -> list[str]:
    return path.removeprefix("/").split("/")
