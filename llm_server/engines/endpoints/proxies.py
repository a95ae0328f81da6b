"""The proxy through which an endpoint is asked, as the environment names it for every program.

`http_proxy`, `https_proxy` and `all_proxy`, and `no_proxy` for what is asked directly: hosts, ends of names, addresses
and networks. This machine itself is never asked through a proxy.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from llm_server.engines.endpoints.failure import EndpointFailed

_SCHEMES: Final = ("http://", "https://")


def proxy_for(url: str) -> str | None:
    """The proxy's address; None: `url` is asked directly.

    Raises:
        EndpointFailed: the environment names a proxy of a kind that cannot be used.
    """
    parts, proxies = urlsplit(url), getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or _is_direct(parts.hostname or "", parts.netloc.rpartition("@")[2], proxies):
        return None
    address = proxy if "://" in proxy else f"http://{proxy}"
    if not _can_be_asked(address):
        kind = "none that is an address" if address.startswith(_SCHEMES) else f"a {address.partition(':')[0]} address"
        raise EndpointFailed(
            f"{parts.hostname} cannot be asked through the proxy of the environment, {kind}: "
            f"give {parts.scheme}_proxy an http address, or name {parts.hostname} in no_proxy"
        )
    return address


def _can_be_asked(address: str) -> bool:
    try:
        found = urlsplit(address)
        # Reading a port is what finds out that it is none.
        return address.startswith(_SCHEMES) and bool(found.hostname) and found.port != 0
    except ValueError:
        return False


def _is_direct(host: str, host_and_port: str, proxies: dict[str, str]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        is_here = host == "localhost" or host.endswith(".localhost")
        return is_here or bool(proxy_bypass(host_and_port))
    if address.is_loopback:
        return True
    networks = (each.strip() for each in proxies.get("no", "").split(",") if "/" in each)
    return any(_holds(network, address) for network in networks) or bool(proxy_bypass(host_and_port))


def _holds(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
