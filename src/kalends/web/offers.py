"""What search engines are told of an organization's services (schema.org)."""

from collections.abc import Sequence
from typing import Any

from kalends.api.visits import Visit
from kalends.web.kinds import Kind


def described(visit: Visit, kinds: Sequence[Kind]) -> dict[str, Any]:
    """Return an organization and what it offers, as JSON-LD has it."""
    host = visit.host
    known = {
        "@context": "https://schema.org",
        "@type": "Organization",
        "name": host.name,
        "url": f"{visit.base}/{host.slug}",
        "address": host.address,
        "telephone": host.phone,
        "email": host.contact_email,
        "makesOffer": [_offer(visit.base, kind) for kind in kinds],
    }
    return {name: value for name, value in known.items() if value}


def _offer(base: str, kind: Kind) -> dict[str, Any]:
    service = {"@type": "Service", "name": kind.name}
    if kind.description:
        service["description"] = kind.description
    offer: dict[str, Any] = {"@type": "Offer", "url": f"{base}{kind.path}", "itemOffered": service}
    if (price := kind.type_.price) is not None:
        offer |= {"price": price.amount, "priceCurrency": price.currency}
    return offer
