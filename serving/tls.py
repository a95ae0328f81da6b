"""TLS of a process: which files it is told of, and gRPC's credentials made of them. Knows no service by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from parley._tls import VARIABLES, Rotating, tls_from
from serving.config import setting

if TYPE_CHECKING:
    from parley._tls import Pem, Tls


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """What every process reads of the TLS between them."""

    tls_cert: str = setting(
        VARIABLES[0],
        "",
        help="PEM file of the process's certificate, for TLS between the processes; empty: plaintext.",
    )
    tls_key: str = setting(VARIABLES[1], "", help="PEM file of that certificate's key.")
    tls_ca: str = setting(VARIABLES[2], "", help="PEM file of the authorities whose certificates are believed.")

    @property
    def tls(self) -> Tls | None:
        """TLS between the processes; None: plaintext.

        Raises:
            InvalidInput: some of the three are set, and not all.
        """
        return tls_from(self.tls_cert, self.tls_key, self.tls_ca)

    def check(self) -> None:
        """See whether the files can be used.

        Raises:
            InvalidInput: they cannot.
            Unavailable: the package that reads them is not installed.
        """
        if self.tls is not None:
            self.tls.load()


def server_credentials(tls: Tls) -> grpc.ServerCredentials:
    """What a port is opened with; where authorities are named callers must have a certificate of one of them.

    The files are looked at before each handshake, so that new connections get what has rotated.

    Raises:
        InvalidInput: the files cannot be used.
        Unavailable: the package that reads them is not installed.
    """
    files = Rotating(tls)
    in_force = files.current()

    def rotated() -> grpc.ServerCertificateConfiguration | None:
        nonlocal in_force
        pem = files.current()
        if pem is in_force:
            return None
        in_force = pem
        return _configuration(pem, tls)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(in_force, tls),
        rotated,  # type: ignore[arg-type]  # None is for no change, as its documentation says
        require_client_authentication=bool(tls.ca),
    )


def _configuration(pem: Pem, tls: Tls) -> grpc.ServerCertificateConfiguration:
    assert pem.key is not None  # noqa: S101 - a server has both
    assert pem.cert is not None  # noqa: S101 - as above
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.cert)], pem.ca if tls.ca else None)
