"""Who may ask this gateway, by the names that stand in a request: as what it is asked for, and whose page asks.

A page of any site can have its own name resolve to this machine (DNS rebinding); its browser then takes the gateway for
that site, and the Origin matches the Host. What gives such a page away is the name, so only known ones are served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from edge_gateway.transports.authority import read_authority, read_origin
from serving.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge_gateway.transports.authority import Authority

_ANY: Final = "*"
# Sec-Fetch-Site, which a browser sends with what a page embeds or links to, and with no Origin.
_OTHER_SITES: Final = frozenset(("cross-site", "same-site"))
# What browsers send for a page without an origin, such as a file or a sandboxed frame.
_NO_ORIGIN: Final = "null"
_SHOWN: Final = 80


class Access:
    """The names that are known here."""

    def __init__(self, bound: str, hosts: str = "", origins: str = "") -> None:
        """Know this machine's own names, the address `bound`, and what the two settings name, separated by commas.

        Raises:
            ConfigError: a setting has something else than names.
        """
        address = read_authority(bound)
        own = () if address is None else (address,)
        self._hosts = (*own, *(_host(each) for each in _split(hosts)))
        self._origins = frozenset(_origin(each) for each in _split(origins))

    def check_host(self, named: Sequence[str]) -> Authority:
        """As what the gateway is asked for; `named` are the Host headers of a request.

        Raises:
            HTTPMisdirectedRequest: as something that it is not known as.
        """
        host = read_authority(named[0]) if len(named) == 1 else None
        if host is not None and (host.is_loopback or any(each.covers(host) for each in self._hosts)):
            return host
        raise web.HTTPMisdirectedRequest(
            text=f"This gateway is not known as {_shown(named)}. Open it as localhost on its own machine, or name the "
            "host in PARLEY_ALLOWED_HOSTS.\n"
        )

    def check_origin(self, named: Sequence[str], host: Authority, site: str = "") -> None:
        """Let in programs, which send no origin, the gateway's own page, and the sites that the operator named.

        `named` are the Origin headers of a request for `host`, `site` its Sec-Fetch-Site: where another page has a
        browser load something as a picture or a sound, only this tells of it.

        Raises:
            HTTPForbidden: the page of another site, or of none.
        """
        if _ANY in self._origins:
            return
        if not named:
            if site.strip().lower() in _OTHER_SITES:
                raise web.HTTPForbidden(
                    text="A page of another site may ask for this by fetch() alone, and only from an origin in "
                    "PARLEY_ALLOWED_ORIGINS.\n"
                )
            return
        if len(named) == 1:
            origin = read_origin(named[0])
            if _canonical(named[0]) in self._origins:
                return
            if origin is not None and origin.served_as(host):
                return
        raise web.HTTPForbidden(
            text=f"Pages of {_shown(named)} may not connect: name the origin in PARLEY_ALLOWED_ORIGINS.\n"
        )


def _split(names: str) -> Iterator[str]:
    return (name.strip() for name in names.split(",") if name.strip())


def _host(name: str) -> Authority:
    host = read_authority(name)
    if host is None:
        raise ConfigError(
            f"PARLEY_ALLOWED_HOSTS={name}: no host; write names or addresses, with a port or without, such as "
            "parley.example,192.168.1.5:8080"
        )
    return host


def _origin(name: str) -> str:
    if name not in (_ANY, _NO_ORIGIN) and "://" not in name:
        raise ConfigError(
            f"PARLEY_ALLOWED_ORIGINS={name}: no origin; write scheme and host, such as https://friend.example, or * "
            "for any"
        )
    return _canonical(name)


def _canonical(name: str) -> str:
    """An origin in one spelling; what is none of a host, as apps send, stays as it is but for capitals."""
    origin = read_origin(name)
    if origin is None:
        return name.rstrip("/").lower()
    return f"{origin.scheme}://[{origin.authority.host}]:{origin.authority.port}"


def _shown(named: Sequence[str]) -> str:
    """A header for people: it may have anything in it."""
    return ", ".join(ascii(name[:_SHOWN]) for name in named[:2]) or "'' (the request names no host)"
