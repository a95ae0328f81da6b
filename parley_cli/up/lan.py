"""`parley up --lan`: the page for phones and other computers in the network, over HTTPS."""

from __future__ import annotations

import datetime as dt
import importlib.util
import io
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parley._binding import explain, find_problem, is_for_all, joined, port_of
from parley.errors import InvalidInput, Unavailable, not_installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parley_cli.up.terminal import Terminal

_PORT: Final = "PARLEY_HTTPS_PORT"
_CERTIFICATE: Final = "PARLEY_HTTPS_CERTIFICATE"
_KEY: Final = "PARLEY_HTTPS_KEY"
_HOSTS: Final = "PARLEY_ALLOWED_HOSTS"
_PACKAGES: Final = ("cryptography", "segno")
# Addresses for documents, which are nowhere; asking for the way there sends nothing.
_NOWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


@dataclass(frozen=True, slots=True)
class Lan:
    """The page as the network sees it."""

    host: str
    """This machine's address there."""
    port: int
    """The page's port there."""
    certificate: Path
    """File of its certificate."""

    @property
    def url(self) -> str:
        """The page's address there."""
        return f"https://{joined(self.host, self.port)}"

    def settings(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What the gateway is told."""
        hosts = [host for host in (environment.get(_HOSTS, ""), self.host) if host]
        return {
            "PARLEY_HTTPS_HOST": self.host,
            _PORT: str(self.port),
            _CERTIFICATE: str(self.certificate),
            # Ours has its key in the same file.
            _KEY: environment.get(_KEY, "") if environment.get(_CERTIFICATE) else "",
            _HOSTS: ",".join(hosts),
        }

    def announce(self, terminal: Terminal) -> None:
        """Say how other devices reach the page, and what is open to them."""
        from parley_cli.up.certificate import fingerprint  # noqa: PLC0415 - as in `open_lan`

        terminal.say(f"On a phone or another computer in this network: open {self.url}")
        if terminal.can_show(code := _qr(self.url)):
            terminal.say(code)
        terminal.say(
            "Its browser asks once whether it may trust the certificate, which was made on this machine (SHA-256 "
            f"{fingerprint(self.certificate)}...)."
        )
        terminal.say(
            "Everyone in this network can now open the page, talk, and read /metrics; the servers, gRPC and "
            "the page without HTTPS are for this machine alone, unless you set their addresses otherwise."
        )


def open_lan(address: str, environment: Mapping[str, str]) -> Lan:
    """The page under `address`, or under the one that is found out where that is empty.

    Raises:
        Unavailable: there is no network, no such address, no such port, no package or no place for the certificate.
        InvalidInput: the address or the port is none.
    """
    if any(importlib.util.find_spec(name) is None for name in _PACKAGES):
        raise not_installed("what --lan needs", "lan")
    host, port = (address or _own_address()).strip("[]"), port_of(environment, _PORT)
    if is_for_all(host):
        raise InvalidInput(f"--lan {host} stands for all addresses: name the one that others reach you at", field="lan")
    problem = find_problem(host, port)
    if problem is not None:
        raise Unavailable(explain(problem, host, port, _PORT).replace("PARLEY_HTTPS_HOST=", "--lan "))
    if own := environment.get(_CERTIFICATE):
        return Lan(host, port, Path(own).expanduser())
    # Imported here: most never need it, and the command line is installed without.
    from parley_cli.up.certificate import find_certificate  # noqa: PLC0415 - see above

    return Lan(host, port, find_certificate(host, _folder(environment), dt.datetime.now(dt.UTC)))


def _folder(environment: Mapping[str, str]) -> Path:
    data = environment.get("XDG_DATA_HOME") or Path(environment.get("HOME") or "/nonexistent") / ".local" / "share"
    return Path(data) / "parley" / "lan"


def _own_address() -> str:
    for family, nowhere in _NOWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((nowhere, 9))
                host = str(probe.getsockname()[0])
        except OSError:
            continue
        found = ipaddress.ip_address(host.partition("%")[0])
        if not found.is_loopback and not found.is_link_local and not found.is_unspecified:
            return host
    raise Unavailable("this machine is in no network: join one, or name its address there, parley up --lan ADDRESS")


def _qr(text: str) -> str:
    """A QR code of characters."""
    import segno  # noqa: PLC0415 - as in `open_lan`

    code = io.StringIO()
    segno.make(text, error="l").terminal(code, compact=True)
    return code.getvalue().rstrip("\n")
