"""What the gateway is told for the network, and which addresses are none for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from parley.errors import InvalidInput, ParleyError
from parley_cli.up.lan import Lan, open_lan

MADE = Path("/made.pem")


@pytest.mark.parametrize(
    ("host", "before", "after"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "box.local", "box.local,192.0.2.7"),
        ("2001:db8::7", "", "2001:db8::7"),
    ],
)
def test_the_gateway_may_be_opened_as_its_address_there(host: str, before: str, after: str) -> None:
    settings = Lan(host, 8443, MADE).settings({"PARLEY_ALLOWED_HOSTS": before})
    assert settings["PARLEY_ALLOWED_HOSTS"] == after
    assert settings["PARLEY_HTTPS_HOST"] == host


def test_a_key_of_another_certificate_is_not_used_for_the_one_that_was_made() -> None:
    other = {"PARLEY_HTTPS_KEY": "/other.key"}
    assert Lan("192.0.2.7", 8443, MADE).settings(other)["PARLEY_HTTPS_KEY"] == ""
    own = {**other, "PARLEY_HTTPS_CERTIFICATE": "/own.pem"}
    assert Lan("192.0.2.7", 8443, Path("/own.pem")).settings(own)["PARLEY_HTTPS_KEY"] == "/other.key"


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
def test_its_address_is_written_as_browsers_take_it(host: str) -> None:
    assert Lan(host, 8443, MADE).url in {"https://192.0.2.7:8443", "https://[2001:db8::7]:8443"}


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "[::]"])
def test_all_addresses_are_none(address: str) -> None:
    with pytest.raises(InvalidInput, match="name the one that others reach you at"):
        open_lan(address, {})


@pytest.mark.parametrize("port", ["x", "70000"])
def test_what_is_no_port_is_named(port: str) -> None:
    with pytest.raises(ParleyError, match=f"PARLEY_HTTPS_PORT={port}"):
        open_lan("127.0.0.1", {"PARLEY_HTTPS_PORT": port})
