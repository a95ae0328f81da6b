"""Where servers are said to be: what stands in `PARLEY_ASR_ADDRESS` and its like, and the addresses that come of it.

Pure: asks no DNS.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley._binding import joined
from parley._masking import masked
from parley.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MOST_SERVERS: Final = 128
"""How many addresses of one service are used at once; of more, the first in their order."""

_PLACE: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s/:,@\[\]]+):(?P<port>[0-9]{1,5})/?")
_LAST_PORT: Final = 65_535
_SCHEMES: Final = ("http://", "https://", "dns:///")
# An address that serves, and is missing in this many answers in a row, is gone: one answer alone may be cut short.
_MISSING_ANSWERS: Final = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """One entry of the configuration."""

    host: str
    """A name, an address without brackets, or a target of gRPC's own such as `unix:///run/asr`."""
    port: int
    """Its port; 0 in a target of gRPC's own."""
    is_name: bool
    """It is a name, which stands for as many addresses as DNS gives."""
    scheme: str = ""
    """`http://` or `https://`, where it was given."""

    @property
    def address(self) -> str:
        """As it is written, without its scheme."""
        return joined(self.host, self.port) if self.port else self.host

    @property
    def name(self) -> str:
        """Host name that the servers' certificates must have; empty: that is the address."""
        return self.host if self.is_name else ""


def origins_of(text: str, field: str) -> tuple[Origin, ...]:
    """The entries of a list with commas between, each once; `field` is the variable that holds it.

    Raises:
        InvalidInput: an entry is no address, or there is none.
    """
    entries = [each.strip() for each in text.split(",") if each.strip()]
    if not entries:
        raise InvalidInput(f"{field} names no address: write host:port, several with commas between", field=field)
    return tuple(dict.fromkeys(_origin(each, field) for each in entries))


def _origin(text: str, field: str) -> Origin:
    scheme = next((each for each in _SCHEMES if text.startswith(each)), "")
    plain = text.removeprefix(scheme)
    if "://" in plain:
        return Origin(plain, 0, is_name=False)
    scheme = scheme if scheme.startswith("http") else ""
    found = _PLACE.fullmatch(plain)
    if found is None or not 0 < int(found["port"]) <= _LAST_PORT:
        shown = masked(text)
        raise InvalidInput(f"{field}: {shown!r} is no address: write host:port, an IPv6 host in brackets", field=field)
    host = found["host"].strip("[]")
    try:
        return Origin(str(ipaddress.ip_address(host)), int(found["port"]), is_name=False, scheme=scheme)
    except ValueError:
        return Origin(host.lower(), int(found["port"]), is_name=True, scheme=scheme)


class Roster:
    """Which addresses there are: those that were given, and those that names stand for by the last good answer."""

    def __init__(self, origins: Sequence[Origin]) -> None:
        """Know the given addresses; those of names are learnt."""
        self._given = {origin.address: origin for origin in origins if not origin.is_name}
        self._missing: dict[Origin, dict[str, int]] = {origin: {} for origin in origins if origin.is_name}
        """By name: in how many answers in a row an address was missing."""

    @property
    def names(self) -> tuple[Origin, ...]:
        """What DNS is to be asked for."""
        return tuple(self._missing)

    def answered(self, name: Origin, addresses: Iterable[str], is_dead: Callable[[str], bool]) -> None:
        """Take what DNS says of a name: hosts without port. Where that is nothing, the last answer holds.

        What is missing is forgotten at once where `is_dead` says so, else when it is missing again and again.
        """
        found = {joined(host, name.port) for host in addresses}
        if not found:
            return
        missing = self._missing[name]
        for address in [each for each in missing if each not in found]:
            missing[address] += 1
            if missing[address] >= _MISSING_ANSWERS or is_dead(address):
                del missing[address]
        missing.update(dict.fromkeys(found, 0))

    def members(self) -> dict[str, Origin]:
        """Each address once, with what it came from."""
        members = dict(self._given)
        for origin, known in self._missing.items():
            for address in sorted(known):
                members.setdefault(address, origin)
        return dict(list(members.items())[:MOST_SERVERS])
