"""Who people are elsewhere."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as an identity provider says: its issuer, their subject there, and their e-mail
    address, if it has verified that it is theirs."""

    issuer: str
    subject: str
    email: str | None
