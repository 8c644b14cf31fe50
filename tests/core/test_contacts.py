import pytest

from kalends.core.contacts import plain_address, plain_phone

INVISIBLE = ["\u200b", "\u200c", "\u200d", "\u200e", "\u202a", "\u202c", "\u2060", "\ufeff", "\xad", "\ufe0f"]
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u02d7\u2043\ufe58\ufe63\uff0d\u301c\u30fc\uff70"
SPACES = "\xa0\u2007\u202f\u2009\u2003\u3000\u205f\t\n"


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        *(("+1" + space + "234 567", "+1 234 567") for space in SPACES),
        *(("089" + dash + "123456", "089-123456") for dash in DASHES),
        *((f"{each}+49 89{each} 1234{each}", "+49 89 1234") for each in INVISIBLE),
        ("\uff0b\uff14\uff19\uff08\uff10\uff09\uff18\uff19", "+49(0)89"),
        ("\u0660\u0661\u0662\u0663 \u0664\u0665\u0666", "0123 456"),
        ("\u06f0\u06f9\u06f1\u06f2 345", "0912 345"),
        ("\u0966\u0967\u0968\u0969", "0123"),
        ("tel:+1-201-555-0123", "+1-201-555-0123"),
        ("\u202aTEL: +1 201\u202c", "+1 201"),
        ("tel:+49%2089%201234;ext=5", "+49 89 1234 ext 5"),
        ("+49 (0) 89 / 12.34 56-0", "+49 (0) 89 / 12.34 56-0"),
        ("555.123.4567 ext 89", "555.123.4567 ext 89"),
        ("\u200b", ""),
    ],
)
def test_phones_as_they_were_meant(pasted: str, meant: str) -> None:
    assert plain_phone(pasted) == meant
    assert plain_phone(meant) == meant


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        *((f"{each}jane{each}@exam{each}ple.com{each}", "jane@example.com") for each in INVISIBLE),
        *((f"{each}jane@{each}example.com{each}", "jane@example.com") for each in "\xa0\u2007\u202f"),
        *(("jane" + dash + "doe@example.com", "jane-doe@example.com") for dash in "\u2010\u2011\u2013\uff0d"),
        ("\uff4a\uff41\uff4e\uff45\uff20\uff45\uff58\uff0e\uff44\uff45", "jane@ex.de"),
        ("mailto:jane@example.com", "jane@example.com"),
        (" MailTo:jane%2Bx@example.com?subject=Hello", "jane+x@example.com"),
        ("\u200emailto:jane@example.com\u200e", "jane@example.com"),
        ("K\xe4the+x@ex\xe4mple.de", "K\xe4the+x@ex\xe4mple.de"),
        ("a b@example.com", "a b@example.com"),
        ("x@نامه\u200cای.com", "x@نامه\u200cای.com"),
        ("mailto:", ""),
    ],
)
def test_addresses_as_they_were_meant(pasted: str, meant: str) -> None:
    assert plain_address(pasted) == meant
    assert plain_address(meant) == meant
