"""How clients are reached, compared as people mean it."""

import unicodedata


def folded(address: str) -> str:
    """Return an e-mail address in the form in which addresses are compared: without regard to capitals, in
    any script (Unicode's caseless matching, D146)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", address).casefold())


def is_same(one: str | None, other: str | None) -> bool:
    """Whether two addresses are one person's, or there is none in both places."""
    return one == other or (one is not None and other is not None and folded(one) == folded(other))


def is_replaced(before: str | None, after: str | None) -> bool:
    """Whether whoever was reached by the address `before` is no longer who is meant."""
    return before is not None and not is_same(before, after)
