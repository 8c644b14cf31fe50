import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalends.core.addresses import destination, is_public

SPECIAL_IPV4 = {
    "0.0.0.0": "this host",
    "0.1.2.3": "this network",
    "10.0.0.1": "private",
    "100.64.0.1": "behind a carrier's NAT",
    "100.127.255.254": "behind a carrier's NAT",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.0.1": "link-local",
    "169.254.169.254": "a cloud's metadata",
    "168.63.129.16": "another cloud's metadata",
    "172.16.0.1": "private",
    "172.31.255.254": "private",
    "192.0.0.1": "protocol assignments",
    "192.0.0.8": "dummy",
    "192.0.0.170": "NAT64 discovery",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4 relays",
    "192.168.0.1": "private",
    "198.18.0.1": "benchmarks",
    "198.19.255.254": "benchmarks",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
}
SPECIAL_IPV6 = {
    "::": "unspecified",
    "::1": "loopback",
    "::127.0.0.1": "IPv4-compatible",
    "::8.8.8.8": "IPv4-compatible",
    "::ffff:0:127.0.0.1": "translated by SIIT",
    "64:ff9b:1::1": "a network's own NAT64",
    "100::1": "discarded",
    "100:0:0:1::1": "dummy",
    "2001:2::1": "benchmarks",
    "2001:10::1": "ORCHID",
    "2001:20::1": "ORCHIDv2",
    "2001:db8::1": "documentation",
    "3fff::1": "documentation",
    "4000::1": "nobody's",
    "5f00::1": "segment routing",
    "fc00::1": "unique local",
    "fd12:3456:789a::1": "unique local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local with its zone",
    "fe80::1%1": "link-local with its zone",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "ff0e::1": "multicast of global scope",
}
PUBLIC_IPV4 = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
]


def hexadecimal(address: str) -> str:
    """`7f00:1` for `127.0.0.1`."""
    one, two, three, four = map(int, address.split("."))
    return f"{one << 8 | two:x}:{three << 8 | four:x}"


def inverted(address: str) -> str:
    """As Teredo writes a client's address: every bit turned round."""
    return hexadecimal(".".join(str(255 - int(part)) for part in address.split(".")))


EMBEDDED = {
    "IPv4-mapped": "::ffff:{dotted}",
    "IPv4-mapped in hexadecimal": "::ffff:{hexadecimal}",
    "IPv4-mapped in full": "0:0:0:0:0:FFFF:{hexadecimal}",
    "IPv4-mapped with a zone": "::ffff:{dotted}%eth0",
    "6to4": "2002:{hexadecimal}::1",
    "NAT64": "64:ff9b::{dotted}",
    "NAT64 in hexadecimal": "64:ff9b::{hexadecimal}",
    "Teredo": "2001:0:4136:e378:8000:63bf:{inverted}",
}


@pytest.mark.parametrize("address", [*SPECIAL_IPV4, *SPECIAL_IPV6])
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address), (SPECIAL_IPV4 | SPECIAL_IPV6)[address]


@pytest.mark.parametrize("address", [*PUBLIC_IPV4, "2001:4860:4860::8888", "2606:4700::1111", "2a00::1"])
def test_the_internets_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("form", EMBEDDED)
def test_an_ipv6_address_that_stands_for_an_ipv4_one_is_judged_by_that(form: str) -> None:
    def spelled(address: str) -> str:
        return EMBEDDED[form].format(
            dotted=address, hexadecimal=hexadecimal(address), inverted=inverted(address)
        )

    assert {address: is_public(spelled(address)) for address in SPECIAL_IPV4} == dict.fromkeys(
        SPECIAL_IPV4, False
    )
    assert {address: is_public(spelled(address)) for address in PUBLIC_IPV4} == dict.fromkeys(
        PUBLIC_IPV4, True
    )


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "1.1.1.1."])
def test_what_is_no_address_is_an_error_and_never_public(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        is_public(text)


SEGMENTS = st.lists(st.sampled_from(["a", "A", "", ".", "..", "%61", "%2f", "%2F", "~", "%7e"]), max_size=5)
URLS = st.builds(
    lambda scheme, host, port, path, query: f"{scheme}://{host}{port}{path}{query}",
    st.sampled_from(["http", "HTTP", "https"]),
    st.sampled_from(["hook.example", "HOOK.example", "other.example", "[::1]"]),
    st.sampled_from(["", ":80", ":443", ":0443", ":8080"]),
    SEGMENTS.map(lambda segments: "/" + "/".join(segments)) | st.just(""),
    st.sampled_from(["", "?a=b", "?A=b", "?a=%62"]),
)


@given(URLS, URLS)
def test_urls_have_one_destination_where_requests_go_the_same_way(one: str, other: str) -> None:
    """As the client of HTTP goes, which leaves escapes as they are."""

    def way(url: str) -> tuple[str, str, int, bytes]:
        sent = httpx.URL(url)
        port = sent.port or {"http": 80, "https": 443}[sent.scheme]
        return sent.scheme, sent.host, port, sent.raw_path

    if way(one) == way(other):
        assert destination(one) == destination(other)
    elif "%" not in one + other:
        assert destination(one) != destination(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.example/%7Eb", "https://a.example/~b"),
        ("https://a.example/%2fb", "https://a.example/%2Fb"),
        ("https://a.example?b=%63", "https://a.example/?b=c"),
        ("https://a.example/b?", "https://a.example/b"),
        ("https://a.example./b", "https://a.example/b"),
    ],
)
def test_urls_that_are_one_by_rfc_3986(one: str, other: str) -> None:
    assert destination(one) == destination(other)
