"""From where a request comes that a proxy has passed on: what its headers say counts only where the proxy is named.

Everybody can write such headers, so they are read from the right: what stands there was written by who is next to the
gateway. The first address that is no named proxy's is the client's. Knows nothing of requests.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from edge_gateway.transports.authority import read_authority

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

X_FORWARDED_FOR: Final = "x-forwarded-for"
FORWARDED: Final = "forwarded"
"""What RFC 7239 has made of it."""

# Who writes more proxies into a header has not come through them.
_MOST_HOPS: Final = 32
_FOR: Final = re.compile(r'(?:^|;)\s*for=(?:"([^"\\]*)"|([^\s;"]*))\s*(?=;|$)', re.IGNORECASE)
_GRPC_PEER: Final = re.compile(r"ipv[46]:(.+)")


class TrustedProxies:
    """The proxies that an operator named."""

    def __init__(self, setting: str = "") -> None:
        """Know the addresses and networks in `setting`, separated by commas.

        Raises:
            ValueError: something else is in it; the message says what to write.
        """
        self._networks = tuple(_network(each.strip()) for each in setting.split(",") if each.strip())

    def client(self, peer: str | None, forwarded_for: Sequence[str] = (), forwarded: Sequence[str] = ()) -> str:
        """The address of the client behind a connection from `peer`; empty: nobody knows.

        The other two are the headers of these names as they came. `X-Forwarded-For` is taken where both are there.
        """
        client = _address(peer or "")
        if client is None:
            return ""
        if not self._networks:
            return str(client)
        hops = list(_listed(forwarded_for) if forwarded_for else _hops(forwarded))[-_MOST_HOPS:]
        while hops and self._names(client):
            behind = _address(hops.pop())
            if behind is None:
                break
            client = behind
        return str(client)

    def _names(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def grpc_peer(text: str) -> str:
    """The address in what gRPC calls the other side, such as `ipv4:192.0.2.1:50000`; empty: it has none."""
    match = _GRPC_PEER.fullmatch(unquote(text))
    return match[1] if match else ""


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"PARLEY_TRUSTED_PROXIES={text}: no address and no network ({error}); write such as 10.0.0.7,192.168.0.0/16"
        ) from error


def _listed(headers: Sequence[str]) -> Iterator[str]:
    return (each.strip() for header in headers for each in header.split(","))


def _hops(headers: Sequence[str]) -> Iterator[str]:
    """What stands behind `for=` of each hop; empty where a hop says nothing of it."""
    for each in _listed(headers):
        match = _FOR.search(each)
        yield (match[1] or match[2] or "") if match else ""


def _address(text: str) -> Address | None:
    """An address, with or without a port; one of IPv4 that is written as IPv6 is of IPv4."""
    authority = read_authority(text)
    try:
        return None if authority is None else ipaddress.ip_address(authority.host)
    except ValueError:
        return None
