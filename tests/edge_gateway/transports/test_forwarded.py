"""Whose address is taken for the client's, behind proxies that are named and others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gateway.transports.forwarded import TrustedProxies, grpc_peer

NEAR = "10.0.0.7"
NAMED = f"{NEAR}, 192.168.0.0/16, 2001:db8:1::/48"


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        # Nobody has passed it on.
        (NEAR, [], NEAR),
        # One proxy.
        (NEAR, ["203.0.113.9"], "203.0.113.9"),
        # Who is no named proxy says nothing of others.
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),
        # What a client has written itself stands to the left of what the proxy saw.
        (NEAR, ["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        # Several proxies, in one header or in several.
        (NEAR, ["203.0.113.9, 192.168.3.4"], "203.0.113.9"),
        (NEAR, ["6.6.6.6", "203.0.113.9,192.168.3.4"], "203.0.113.9"),
        # A proxy in the middle that nobody named is the last that can be believed.
        (NEAR, ["203.0.113.9, 198.51.100.2, 192.168.3.4"], "198.51.100.2"),
        # All of them are proxies: the first.
        (NEAR, ["192.168.9.9, 192.168.3.4"], "192.168.9.9"),
        # IPv6, with ports and brackets, and IPv4 in the clothes of IPv6.
        (NEAR, ["2001:DB8::9"], "2001:db8::9"),
        (NEAR, ["[2001:db8::9]:4711"], "2001:db8::9"),
        (NEAR, ["203.0.113.9:4711"], "203.0.113.9"),
        ("::ffff:10.0.0.7", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("2001:db8:1::5", ["203.0.113.9"], "203.0.113.9"),
        ("2001:db8:2::5", ["203.0.113.9"], "2001:db8:2::5"),
        ("fe80::1%eth0", ["203.0.113.9"], "fe80::1"),
        # Garbage: the last address that was believed.
        (NEAR, ["unknown"], NEAR),
        (NEAR, [""], NEAR),
        (NEAR, ["203.0.113.9, <script>"], NEAR),
        (NEAR, ["203.0.113.9, parley.example, 192.168.3.4"], "192.168.3.4"),
        (NEAR, ["203.0.113.999"], NEAR),
        (NEAR, [f"203.0.113.9, {', '.join(['192.168.3.4'] * 40)}"], "192.168.3.4"),
        # A socket without an address.
        (None, ["203.0.113.9"], ""),
        ("", ["203.0.113.9"], ""),
    ],
)
def test_the_first_address_from_the_right_that_is_no_named_proxys_is_the_clients(
    peer: str | None, headers: list[str], client: str
) -> None:
    assert TrustedProxies(NAMED).client(peer, headers) == client


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        (["for=203.0.113.9"], "203.0.113.9"),
        (['For="[2001:db8:cafe::17]:4711";proto=https;by=10.0.0.7'], "2001:db8:cafe::17"),
        (["proto=https; for=203.0.113.9 ;host=parley.example"], "203.0.113.9"),
        (["for=6.6.6.6, for=203.0.113.9", "for=192.168.3.4"], "203.0.113.9"),
        (["for=unknown"], NEAR),
        (["for=_hidden, for=192.168.3.4"], "192.168.3.4"),
        (["for=203.0.113.9, proto=https"], NEAR),
        (["notfor=203.0.113.9"], NEAR),
        (['for="203.0.113.9'], NEAR),
    ],
)
def test_the_header_of_the_standard_is_read_too(headers: list[str], client: str) -> None:
    assert TrustedProxies(NAMED).client(NEAR, [], headers) == client


def test_where_both_headers_are_there_the_one_that_proxies_write_counts() -> None:
    # nginx hands on what a client has put into the other one.
    assert TrustedProxies(NAMED).client(NEAR, ["203.0.113.9"], ["for=6.6.6.6"]) == "203.0.113.9"


def test_without_a_named_proxy_no_header_counts() -> None:
    assert TrustedProxies().client("127.0.0.1", ["203.0.113.9"], ["for=203.0.113.9"]) == "127.0.0.1"


@pytest.mark.parametrize("setting", ["proxy.example", "10.0.0.1/8", "10.0.0.7:80", "*", "10.0.0.7 10.0.0.8"])
def test_what_names_no_proxy_is_refused_with_an_example(setting: str) -> None:
    with pytest.raises(ValueError, match=r"PARLEY_TRUSTED_PROXIES=.*: no address and no network .*; write such as"):
        TrustedProxies(f"10.0.0.7,{setting}")


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:50000", "192.0.2.1:50000"),
        ("ipv6:%5B2001:db8::1%5D:50000", "[2001:db8::1]:50000"),
        ("unix:/run/parley.sock", ""),
    ],
)
def test_what_grpc_calls_the_other_side_has_its_address_in_it(peer: str, address: str) -> None:
    assert grpc_peer(peer) == address


PIECES = ("10.0.0.7", "for=", '"', ",", ";", "[::1]", "203.0.113.9")
HEADERS = st.lists(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))


@given(HEADERS, HEADERS)
def test_whatever_stands_there_an_address_comes_out(forwarded_for: list[str], forwarded: list[str]) -> None:
    assert TrustedProxies("0.0.0.0/0").client("192.0.2.1", forwarded_for, forwarded)
