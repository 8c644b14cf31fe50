"""E-mail addresses as mail servers and calendar programs spell them."""

from urllib.parse import quote

from email_validator import EmailNotValidError, validate_email

_PLAIN = "!$'*+"
"""What a URI's address may contain as it is, besides letters, digits and -._~ (RFC 6068, section 2). Some
calendar programs take a comma or a semicolon for the end of the address, so those are encoded, too."""


def deliverable(address: str) -> str:
    """Return the address with its domain in ASCII, as every mail server takes it. What stands before the
    domain has no such form. Raises EmailNotValidError."""
    known = validate_email(address, check_deliverability=False)
    return f"{known.local_part}@{known.ascii_domain}"


def in_ascii(address: str) -> str:
    """Return the same, or the address as it is if that is not possible, as for root@localhost."""
    try:
        return deliverable(address)
    except EmailNotValidError:
        return address


def mailto(address: str) -> str:
    """Return the address as a URI."""
    local, _, domain = in_ascii(address).rpartition("@")
    return f"MAILTO:{quote(local, safe=_PLAIN)}@{quote(domain, safe='[]:')}"
