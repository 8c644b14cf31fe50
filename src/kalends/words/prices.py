"""Prices as people read them."""

from decimal import Decimal

from babel import Locale
from babel.numbers import format_currency


def price(amount: Decimal, currency: str, locale: Locale) -> str:
    """Return `€80` or `80,50 €`: a whole amount has no decimals. `currency` is an ISO 4217 code."""
    if amount != amount.to_integral_value():
        return format_currency(amount, currency, locale=locale)
    pattern = locale.currency_formats["standard"].pattern.replace(".00", "")
    return format_currency(amount, currency, pattern, locale=locale, currency_digits=False)
