"""A certificate is for one address, kept while it holds, and made anew when it does not."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from parley.errors import Unavailable
from parley_cli.up.certificate import find_certificate, fingerprint

if TYPE_CHECKING:
    from pathlib import Path

NOW = dt.datetime(2030, 5, 1, tzinfo=dt.UTC)


def named(path: Path) -> list[str]:
    """What a browser would compare with the address."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "box.local"])
def test_it_names_the_address(address: str, tmp_path: Path) -> None:
    path = find_certificate(address, tmp_path / "new", NOW)
    assert named(path) == [address]
    assert path.parent.stat().st_mode & 0o077 == path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("days", "same"), [(0, True), (365, True), (367, False), (1_000, False)])
def test_it_is_made_anew_a_month_before_its_end(days: int, same: bool, tmp_path: Path) -> None:  # noqa: FBT001 - pytest names it
    first = fingerprint(find_certificate("192.0.2.7", tmp_path, NOW))
    second = fingerprint(find_certificate("192.0.2.7", tmp_path, NOW + dt.timedelta(days=days)))
    assert (first == second) == same


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 40, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_none_is_replaced(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "192.0.2.7.pem").write_bytes(content)
    assert named(find_certificate("192.0.2.7", tmp_path, NOW))
    assert [path.name for path in tmp_path.iterdir()] == ["192.0.2.7.pem"]


def test_where_its_key_is_cut_off_both_are_made_anew(tmp_path: Path) -> None:
    path = find_certificate("192.0.2.7", tmp_path, NOW)
    first = fingerprint(path)
    path.write_bytes(path.read_bytes()[:-60])
    assert fingerprint(find_certificate("192.0.2.7", tmp_path, NOW)) != first


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "lan").write_text("")
    with pytest.raises(Unavailable, match=r"cannot be kept in .*lan"):
        find_certificate("192.0.2.7", tmp_path / "lan", NOW)
