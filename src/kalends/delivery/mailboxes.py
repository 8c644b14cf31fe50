"""E-mail addresses as mail servers and calendar programs spell them."""

from urllib.parse import quote

from email_validator import EmailNotValidError, validate_email

_PLAIN = "!$'*+"
"""What may stand in a URI's address as it is, besides letters, digits and -._~ (RFC 6068, section 2). Some
calendar programs take a comma or a semicolon for the end of the address, so those are encoded, too."""


def deliverable(address: str) -> str:
    """Return the address as every mail server takes it, as far as it has such a form: its domain has one.
    Raises EmailNotValidError."""
    known = validate_email(address, check_deliverability=False)
    return f"{known.local_part}@{known.ascii_domain}"


def in_ascii(address: str) -> str:
    """Return the same, or the address as it is if it has no such form, such as root@localhost."""
    try:
        return deliverable(address)
    except EmailNotValidError:
        return address


def mailto(address: str) -> str:
    """Return the address as a URI."""
    local, _, domain = in_ascii(address).rpartition("@")
    return f"MAILTO:{quote(local, safe=_PLAIN)}@{quote(domain, safe='[]:')}"
