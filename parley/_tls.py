"""Who a process is to the others, and whom it believes: certificate, key and authorities, in PEM files that rotate.

Knows nothing of channels or of servers.
"""

from __future__ import annotations

import datetime as dt
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from parley.errors import InvalidInput, not_installed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography import x509

VARIABLES: Final = ("PARLEY_TLS_CERT", "PARLEY_TLS_KEY", "PARLEY_TLS_CA")
"""Where every process reads the paths of its certificate, its key and its authorities."""

_SYSTEM_BUNDLE: Final = "ca-certificates.crt"

_log = logging.getLogger("parley.tls")


@dataclass(frozen=True, slots=True)
class Pem:
    """What stands in the files, each a PEM text."""

    cert: bytes | None
    """Certificate, and those between it and its authority; None: this process shows none."""
    key: bytes | None
    """The certificate's key."""
    ca: bytes | None
    """Authorities that are believed; None: those that gRPC brings."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of PEM files. Without certificate and key a process shows none, and only sees who the other one is."""

    cert: str = ""
    """Certificate, and those between it and its authority."""
    key: str = ""
    """The certificate's key."""
    ca: str = ""
    """Authorities that are believed; empty: the system's."""
    variables: tuple[str, str, str] = VARIABLES
    """What named the three files, for error messages."""

    def load(self) -> Pem:
        """What the files hold now.

        Raises:
            InvalidInput: a file cannot be read or holds no PEM, the key is not the certificate's, or that is not valid
                now.
            Unavailable: cryptography is not installed.
        """
        cert_name, key_name, ca_name = self.variables
        ca = self._read(ca_name, self.ca) if self.ca else _system_authorities()
        if self.ca:
            _certificates(ca or b"", ca_name, self.ca)
        if not self.cert and not self.key:
            return Pem(None, None, ca)
        cert, key = self._read(cert_name, self.cert), self._read(key_name, self.key)
        own = _certificates(cert, cert_name, self.cert)[0]
        _check_key(key, own, f"{key_name}={self.key}", f"{cert_name}={self.cert}")
        _check_validity(own, f"{cert_name}={self.cert}")
        return Pem(cert, key, ca)

    def own_name(self) -> str:
        """The first name that the certificate is for, by which a process on this machine can ask for its owner.

        Raises:
            InvalidInput: the certificate cannot be read.
            Unavailable: cryptography is not installed.
        """
        variable = self.variables[0]
        certificate = _certificates(self._read(variable, self.cert), variable, self.cert)[0]
        return _first_name(certificate)

    @property
    def stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Changes whenever one of the files does, also where a link in its path is led elsewhere."""
        return tuple(_stamp(path) for path in (self.cert, self.key, self.ca) if path)

    @staticmethod
    def _read(variable: str, path: str) -> bytes:
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise InvalidInput(
                f"{variable}={path} cannot be read ({error.strerror or error}): name a PEM file that this process may "
                "read",
                field=variable,
            ) from error


class Rotating:
    """PEM files that are read again when they have changed; what cannot be used leaves the last ones in force."""

    def __init__(self, tls: Tls) -> None:
        """Read them for the first time.

        Raises:
            InvalidInput: as `Tls.load`.
            Unavailable: cryptography is not installed.
        """
        self._tls = tls
        self._stamp = tls.stamp
        self._pem = tls.load()

    def current(self) -> Pem:
        """What is in force now: another object than before where the files have changed."""
        stamp = self._tls.stamp
        if stamp != self._stamp:
            # Of files that are written one after the other the last one makes them fit again, and changes the stamp.
            self._stamp = stamp
            try:
                self._pem = self._tls.load()
            except InvalidInput as error:
                _log.warning("the certificates that were in force stay so: %s", error)
            else:
                _log.info("%s has changed, and is in force", self._tls.variables[0] if self._tls.cert else "the CA")
        return self._pem


def tls_of(environment: Mapping[str, str]) -> Tls | None:
    """The TLS between Parley's processes as an environment has it; None: they speak plaintext.

    Raises:
        InvalidInput: some of the three variables are set, and not all.
    """
    return tls_from(*(environment.get(name, "").strip() for name in VARIABLES))


def tls_from(cert: str, key: str, ca: str) -> Tls | None:
    """The same, from the values of the three variables.

    Raises:
        InvalidInput: some of them are set, and not all.
    """
    return Tls(cert, key, ca) if _all_or_none(VARIABLES, (cert, key, ca)) else None


def pair_from(cert: str, key: str, variables: tuple[str, str]) -> Tls | None:
    """TLS of a server that asks callers for no certificate, from the values of two variables.

    Raises:
        InvalidInput: one of them is set, and the other is not.
    """
    return Tls(cert, key, variables=(*variables, "")) if _all_or_none(variables, (cert, key)) else None


def own(tls: Tls) -> Tls:
    """How a process on the same machine asks for the owner of `tls`: where callers show none, its own is believed."""
    return tls if tls.ca else Tls(ca=tls.cert, variables=(*tls.variables[:2], tls.variables[0]))


def trust_of(environment: Mapping[str, str]) -> Tls:
    """Whom a program believes that asks a gateway over TLS: `PARLEY_TLS_CA`, else the system's authorities."""
    return Tls(ca=environment.get(VARIABLES[2], "").strip())


def _all_or_none(variables: Sequence[str], values: Sequence[str]) -> bool:
    missing = [name for name, value in zip(variables, values, strict=True) if not value]
    if missing and len(missing) < len(variables):
        named = [name for name in variables if name not in missing]
        raise InvalidInput(
            f"{' and '.join(named)} {'is' if len(named) == 1 else 'are'} set, and {' and '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not: set each of them, or none",
            field=missing[0],
        )
    return not missing


def _stamp(path: str) -> tuple[int, int, int]:
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_ino, found.st_size


def _certificates(text: bytes, variable: str, path: str) -> list[x509.Certificate]:
    try:
        from cryptography import x509 as reader  # noqa: PLC0415 - who speaks plaintext needs none of it
    except ModuleNotFoundError as error:
        raise not_installed("what reads certificates", "tls") from error
    try:
        return reader.load_pem_x509_certificates(text)
    except ValueError as error:
        raise InvalidInput(
            f"{variable}={path} holds no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----", field=variable
        ) from error


def _first_name(certificate: x509.Certificate) -> str:
    from cryptography import x509 as reader  # noqa: PLC0415 - as above

    try:
        names = certificate.extensions.get_extension_for_class(reader.SubjectAlternativeName).value
    except reader.ExtensionNotFound:
        return ""
    for name in names:
        if isinstance(name, reader.DNSName | reader.IPAddress):
            # Any name will do where a certificate is for all names of a domain.
            return str(name.value).replace("*", "parley")
    return ""


def _check_key(text: bytes, certificate: x509.Certificate, key_name: str, cert_name: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - as above

    variable = key_name.partition("=")[0]
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidInput(
            f"{key_name} holds no private key in PEM that could be read without a password", field=variable
        ) from error
    if key.public_key() != certificate.public_key():
        raise InvalidInput(
            f"{key_name} is not the key of {cert_name}: name the two files that were made together", field=variable
        )


def _check_validity(certificate: x509.Certificate, cert_name: str) -> None:
    now, variable = dt.datetime.now(dt.UTC), cert_name.partition("=")[0]
    if now > certificate.not_valid_after_utc:
        raise InvalidInput(
            f"{cert_name} has expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: renew it, or set this "
            "machine's clock right",
            field=variable,
        )
    if now < certificate.not_valid_before_utc:
        raise InvalidInput(
            f"{cert_name} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: set this "
            "machine's clock right, or make a new one",
            field=variable,
        )


def _system_authorities() -> bytes | None:
    """The authorities that this machine believes; gRPC by itself knows only those that it was built with."""
    paths = ssl.get_default_verify_paths()
    bundles = [paths.cafile] if paths.cafile else []
    if paths.capath:
        bundles.append(str(Path(paths.capath) / _SYSTEM_BUNDLE))
    for bundle in bundles:
        try:
            return Path(bundle).read_bytes()
        except OSError:
            continue
    return None
