"""Certificates that are made on the spot, for tests of TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from parley import Tls

if TYPE_CHECKING:
    from pathlib import Path

_LONG_AGO: Final = dt.timedelta(days=30)


class Authority:
    """Signs certificates."""

    def __init__(self, name: str = "Authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            _builder(self._name, self._key.public_key(), days=30)
            .issuer_name(self._name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, folder: Path, *names: str, days: float = 1.0, since: dt.timedelta = _LONG_AGO) -> Tls:
        """Files in `folder`, written over what was there: a certificate for `names`, its key, and this authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(x509.Name([]), key.public_key(), days, since)
            .issuer_name(self._name)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names or _HERE]), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        folder.mkdir(exist_ok=True)
        tls = Tls(str(folder / "tls.crt"), str(folder / "tls.key"), str(folder / "ca.crt"))
        _write(folder / "tls.crt", certificate.public_bytes(serialization.Encoding.PEM))
        _write(
            folder / "tls.key",
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        _write(folder / "ca.crt", self.pem)
        return tls


_HERE: Final = ("127.0.0.1", "localhost")


def variables(tls: Tls) -> dict[str, str]:
    """The same as processes are told of it."""
    return {"PARLEY_TLS_CERT": tls.cert, "PARLEY_TLS_KEY": tls.key, "PARLEY_TLS_CA": tls.ca}


def serial_of(pem: bytes) -> int:
    """Number of a certificate, by which one is told from another."""
    return x509.load_pem_x509_certificate(pem).serial_number


def _builder(
    name: x509.Name, key: ec.EllipticCurvePublicKey, days: float, since: dt.timedelta = _LONG_AGO
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - since)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, content: bytes) -> None:
    """As a whole or not at all, as whoever rotates certificates does it."""
    part = path.with_suffix(".new")
    part.write_bytes(content)
    part.replace(path)
