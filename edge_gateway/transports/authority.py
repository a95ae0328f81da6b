"""Host and Origin headers as values that compare equal when they mean the same.

Capitals, a full stop at the end, brackets, the spelling of an IPv6 address, Unicode in a name and the default port of a
scheme make no difference. Knows nothing of requests, nor of who is let in.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import idna

DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""What a browser leaves out."""

# A name has 253 characters at most (RFC 1035), of which Unicode may need fewer; brackets and a port come on top.
_LONGEST: Final = 260
_LAST_PORT: Final = 65_535
# All of a gateway's callers name it by few names, and reading one takes as long as 40 µs.
_REMEMBERED: Final = 64
_PARTS: Final = re.compile(r"(\[[^\[\]/?#@\\\s]*\]|[^\[\]/?#@\\\s:]+)(?::([0-9]{0,5}))?")
_NAME: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*")


@dataclass(frozen=True, slots=True)
class Authority:
    """A host, and a port where one is named."""

    host: str
    """Lower case, a name in its ASCII form, an IPv6 address without brackets."""
    port: int | None
    """None: the scheme's own."""

    @property
    def is_loopback(self) -> bool:
        """True for names and addresses of the machine itself, whatever a name server says."""
        address = _address(self.host)
        if address is not None:
            return address.is_loopback
        return self.host == "localhost" or self.host.endswith(".localhost")

    def covers(self, other: Authority) -> bool:
        """True where this one is allowed and `other` is asked for: without a port it stands for every port."""
        if self.host != other.host:
            return False
        # Without the scheme, which a proxy may have changed, an absent port is the default of either.
        asked = DEFAULT_PORTS.values() if other.port is None else (other.port,)
        return self.port is None or self.port in asked


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a page comes from."""

    scheme: str
    """Lower case."""
    authority: Authority
    """With its port, where the scheme has one."""

    def served_as(self, host: Authority) -> bool:
        """True for the page of a gateway that is asked for as `host`."""
        port = DEFAULT_PORTS.get(self.scheme) if host.port is None else host.port
        return self.authority == Authority(host.host, port)


@lru_cache(maxsize=_REMEMBERED)
def read_authority(text: str) -> Authority | None:
    """What a Host header or a setting names; None for what is no host."""
    bare = _address(text) if len(text) <= _LONGEST else None
    if bare is not None:
        return Authority(str(bare), None)
    parts = _PARTS.fullmatch(text) if len(text) <= _LONGEST else None
    if parts is None:
        return None
    host, port = _normalised(parts[1]), int(parts[2]) if parts[2] else None
    if host is None or (port or 0) > _LAST_PORT:
        return None
    return Authority(host, port)


def read_origin(text: str) -> Origin | None:
    """What an Origin header or a setting names; None for what has no scheme and host."""
    scheme, separator, rest = text.partition("://")
    scheme, authority = scheme.lower(), read_authority(rest.removesuffix("/"))
    if not separator or authority is None or not _SCHEME.fullmatch(scheme):
        return None
    port = DEFAULT_PORTS.get(scheme) if authority.port is None else authority.port
    return Origin(scheme, Authority(authority.host, port))


def _normalised(host: str) -> str | None:
    if host.startswith("["):
        address = _address(host[1:-1])
        return str(address) if address is not None else None
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except UnicodeError:
            return None
    host = host.lower().removesuffix(".")
    address = _address(host)
    if address is not None:
        return str(address)
    return host if _NAME.fullmatch(host) else None


@lru_cache(maxsize=_REMEMBERED)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address; one of IPv4 that is written as IPv6 is of IPv4, and the zone of one makes no difference."""
    bare = text.partition("%")[0]
    try:
        address = ipaddress.ip_address(bare if ":" in bare else text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
