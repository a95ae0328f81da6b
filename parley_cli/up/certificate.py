"""A certificate that this machine makes for one of its addresses, and keeps, so that browsers ask only once.

Browsers give a page the microphone only over HTTPS, and in a home nobody signs certificates.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from parley.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

# Safari takes none that is valid for longer than 825 days.
_VALID: Final = dt.timedelta(days=397)
_RENEWED_BEFORE: Final = dt.timedelta(days=30)
# A clock that is behind ours sees it as valid too.
_BACKDATED: Final = dt.timedelta(days=1)
_FINGERPRINT_BYTES: Final = 8


def find_certificate(address: str, folder: Path, now: dt.datetime) -> Path:
    """The file of a certificate for `address` with its key, kept in `folder`; made anew where there is none that holds.

    Raises:
        Unavailable: the folder cannot be written.
    """
    path = folder / f"{address.replace(':', '-').replace('/', '-')}.pem"
    try:
        if not _holds(path, now):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_private(path, make_certificate(address, now))
    except OSError as error:
        raise Unavailable(
            f"the certificate for {address} cannot be kept in {folder} ({error.strerror}): name another folder in "
            "XDG_DATA_HOME, or a certificate of your own in PARLEY_HTTPS_CERTIFICATE"
        ) from error
    return path


def fingerprint(path: Path) -> str:
    """The beginning of its SHA-256 fingerprint, as browsers write it."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.fingerprint(hashes.SHA256())[:_FINGERPRINT_BYTES].hex(":").upper()


def make_certificate(address: str, now: dt.datetime) -> bytes:
    """Certificate and key for an IP address or a host name, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Parley on this network")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _VALID - _BACKDATED)
        .add_extension(x509.SubjectAlternativeName([_named(address)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _named(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _holds(path: Path, now: dt.datetime) -> bool:
    try:
        content = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(content)
        key = serialization.load_pem_private_key(content, password=None)
    except (OSError, ValueError):
        return False
    return key.public_key() == certificate.public_key() and now < certificate.not_valid_after_utc - _RENEWED_BEFORE


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that nobody else may read, and that is there as a whole or not at all."""
    part = path.with_suffix(f".{os.getpid()}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
