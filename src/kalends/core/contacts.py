"""How clients are reached, compared as people mean it."""

import unicodedata


def folded(address: str) -> str:
    """Return an e-mail address in the form in which addresses are compared: without regard to capitals, in
    any script (Unicode's caseless matching, D146)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", address).casefold())
