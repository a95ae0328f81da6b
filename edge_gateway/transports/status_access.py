"""Who may see how this gateway is doing: by default only who sits at its own machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import web

from edge_gateway.config import STATUS_LOOPBACK, STATUS_OFF, STATUS_OPEN
from edge_gateway.transports.authority import read_authority

if TYPE_CHECKING:
    from collections.abc import Mapping

# Headers with which a proxy says that it asks for somebody else: behind it everybody comes from its own address.
_FOR_OTHERS: Final = ("forwarded", "x-real-ip", "via", "true-client-ip", "cf-connecting-ip", "x-client-ip")
_FORWARDED: Final = "x-forwarded-"


class StatusAccess:
    """The value of `PARLEY_STATUS`, and what follows from it."""

    def __init__(self, setting: str) -> None:
        """Let in whom `setting` names, one of the three values in `config`."""
        self._setting = setting

    @property
    def is_off(self) -> bool:
        """True when nobody may see it."""
        return self._setting == STATUS_OFF

    def allows(self, request: web.Request) -> bool:
        """True for a caller who may see it."""
        if self._setting == STATUS_LOOPBACK:
            return _is_loopback(request.remote) and _asks_here(request) and not _for_others(request.headers)
        return self._setting == STATUS_OPEN

    def check(self, request: web.Request) -> None:
        """Let nobody else past.

        Raises:
            HTTPForbidden: the caller may not see it.
        """
        if not self.allows(request):
            raise web.HTTPForbidden(
                text=f"{request.path} answers callers on the gateway's own machine alone, who open it as localhost and "
                "come through no proxy. PARLEY_STATUS=open lets everybody see it who may open the gateway's page.\n"
            )


def _is_loopback(address: str | None) -> bool:
    authority = None if address is None else read_authority(address)
    return authority is not None and authority.is_loopback


def _asks_here(request: web.Request) -> bool:
    """True where the gateway is asked for as localhost: a proxy that tells nothing else of itself may keep the name."""
    return _is_loopback(request.headers.get("Host"))


def _for_others(headers: Mapping[str, str]) -> bool:
    names = {name.lower() for name in headers}
    return not names.isdisjoint(_FOR_OTHERS) or any(name.startswith(_FORWARDED) for name in names)
