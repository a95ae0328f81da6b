"""Certificates in files: what is wrong with them is named, and what has rotated is read again."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from parley import InvalidInput, Tls
from parley._tls import Rotating, pair_from, tls_of
from tests.certificates import Authority, variables

if TYPE_CHECKING:
    from pathlib import Path


def test_none_of_the_variables_is_plaintext_and_all_of_them_are_tls(tmp_path: Path) -> None:
    tls = Authority().issue(tmp_path)
    assert tls_of({"PARLEY_TLS_CERT": " "}) is None
    assert tls_of(variables(tls)) == tls
    assert pair_from("", "", ("A", "B")) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("CERT",), "PARLEY_TLS_CERT is set, and PARLEY_TLS_KEY and PARLEY_TLS_CA are not: set each of them, or none"),
        (("CERT", "CA"), "PARLEY_TLS_CERT and PARLEY_TLS_CA are set, and PARLEY_TLS_KEY is not"),
        (("KEY",), "PARLEY_TLS_KEY is set, and PARLEY_TLS_CERT and PARLEY_TLS_CA are not"),
    ],
)
def test_what_is_missing_is_named(given: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        tls_of({f"PARLEY_TLS_{name}": "x.pem" for name in given})


def test_a_certificate_without_its_key_is_no_half_of_tls() -> None:
    with pytest.raises(InvalidInput, match="MY_CERT is set, and MY_KEY is not: set each of them, or none"):
        pair_from("x.pem", "", ("MY_CERT", "MY_KEY"))


@pytest.mark.parametrize("which", ["cert", "key", "ca"])
def test_a_file_that_cannot_be_read_or_is_no_pem_is_named_with_its_variable(tmp_path: Path, which: str) -> None:
    tls = Authority().issue(tmp_path)
    names = {"cert": "PARLEY_TLS_CERT", "key": "PARLEY_TLS_KEY", "ca": "PARLEY_TLS_CA"}
    (tmp_path / "prose").write_text("no PEM")
    for path, said in ((tmp_path / "absent", "cannot be read"), (tmp_path / "prose", "in PEM")):
        with pytest.raises(InvalidInput, match=said) as failure:
            replace(tls, **{which: str(path)}).load()  # type: ignore[arg-type]  # each of the three is a text
        assert failure.value.field == names[which]
        assert str(failure.value).startswith(f"{names[which]}={path} ")


def test_another_certificates_key_is_refused(tmp_path: Path) -> None:
    tls, other = Authority().issue(tmp_path / "a"), Authority().issue(tmp_path / "b")
    with pytest.raises(InvalidInput, match=r"PARLEY_TLS_KEY=.*/b/tls.key is not the key of PARLEY_TLS_CERT=.*/a/tls"):
        Tls(tls.cert, other.key, tls.ca).load()


def test_a_key_behind_a_password_is_refused(tmp_path: Path) -> None:
    tls = Authority().issue(tmp_path)
    key = serialization.load_pem_private_key((tmp_path / "tls.key").read_bytes(), None)
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    with pytest.raises(InvalidInput, match="without a password"):
        tls.load()


def test_a_certificate_that_is_not_valid_now_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"PARLEY_TLS_CERT=\S+ has expired on \d{4}-\d\d-\d\d .* renew it"):
        Authority().issue(tmp_path / "old", days=-1).load()
    with pytest.raises(InvalidInput, match="is not valid before"):
        Authority().issue(tmp_path / "new", since=dt.timedelta(days=-0.5)).load()


def test_what_has_rotated_is_read_again_and_nothing_else_is(tmp_path: Path) -> None:
    authority = Authority()
    files = Rotating(authority.issue(tmp_path))
    first = files.current()
    assert files.current() is first
    authority.issue(tmp_path)
    second = files.current()
    assert second != first
    assert files.current() is second


def test_a_link_that_is_led_elsewhere_counts_as_kubernetes_does_it(tmp_path: Path) -> None:
    authority = Authority()
    for name in ("..1", "..2"):
        authority.issue(tmp_path / name)
    (tmp_path / "..data").symlink_to("..1")
    for name in ("tls.crt", "tls.key", "ca.crt"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    files = Rotating(Tls(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"), str(tmp_path / "ca.crt")))
    assert files.current().cert == (tmp_path / "..1" / "tls.crt").read_bytes()
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert files.current().cert == (tmp_path / "..2" / "tls.crt").read_bytes()


def test_what_cannot_be_used_leaves_the_last_in_force_until_all_of_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = Authority().issue(tmp_path / "a")
    Authority().issue(tmp_path / "b")
    files = Rotating(tls)
    first = files.current()
    # One file after the other, as a careless copy writes them.
    (tmp_path / "b" / "tls.crt").replace(tls.cert)
    assert files.current() is first
    assert "the certificates that were in force stay so: PARLEY_TLS_KEY=" in caplog.text
    (tmp_path / "b" / "tls.key").replace(tls.key)
    assert files.current().key == (tmp_path / "a" / "tls.key").read_bytes()
    assert files.current() is not first


def test_a_process_is_known_on_its_own_machine_by_the_first_name_of_its_certificate(tmp_path: Path) -> None:
    authority = Authority()
    assert authority.issue(tmp_path, "asr", "asr.parley.svc").own_name() == "asr"
    assert authority.issue(tmp_path, "127.0.0.1").own_name() == "127.0.0.1"
    assert authority.issue(tmp_path, "*.parley.example").own_name() == "parley.parley.example"


def test_without_authorities_of_ones_own_the_systems_are_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = Authority().issue(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", tls.ca)
    assert Tls().load().ca == (tmp_path / "ca.crt").read_bytes()
