"""Who may read `/metrics` of a server: whoever names the machine itself, where it is bound to the machine itself.

A page of any site can have its name resolve to this machine (DNS rebinding), and its browser then lets it read what it
gets; the Host header gives it away. Where a server is bound to another address, its operator chooses the names by which
it is scraped, and who may reach it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_HOST: Final = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253}?)\.?(?::[0-9]{0,5})?", re.IGNORECASE)
_REFUSAL: Final = b"This port is not known by that name: ask for it as localhost, on its own machine.\n"


def guarded(app: WSGIApplication, bound: str) -> WSGIApplication:
    """`app`, which listens on the address `bound`."""
    if not is_loopback(bound):
        return app

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if is_loopback(str(environ.get("HTTP_HOST", ""))):
            return app(environ, start_response)
        start_response("421 Misdirected Request", [("Content-Type", "text/plain; charset=utf-8")])
        return [_REFUSAL]

    return answer


def is_loopback(host: str) -> bool:
    """True for names and addresses of the machine itself, with a port or without."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    parts = _HOST.fullmatch(host)
    if parts is None:
        return False
    name = parts[1].strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
