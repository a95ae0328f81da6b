"""Addresses to listen on: how they are written and found, and what is said of those that cannot be had."""

from __future__ import annotations

import errno
import socket

import pytest

from parley._binding import explain, find_problem, joined, port_of, reachable
from parley.errors import InvalidInput


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80"), ("[::1]", "[::1]:80"), ("box.local", "box.local:80")],
)
def test_host_and_port_are_joined_so_that_they_can_be_told_apart(host: str, address: str) -> None:
    assert joined(host, 80) == address


@pytest.mark.parametrize(
    ("host", "there"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("[::]", "::1"), ("", "127.0.0.1"), ("192.0.2.7", "192.0.2.7")],
)
def test_a_server_on_all_addresses_is_found_on_this_machine(host: str, there: str) -> None:
    assert reachable(host) == there


@pytest.mark.parametrize(
    "text", ["abc", "80.0", "-1", "0x50", "8080 8081", "65536", "0099999", "９", "9" * 5_000, "tcp://10.0.0.1:8080"]
)
def test_what_is_no_port_is_named_with_its_variable(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        port_of({"PARLEY_GATEWAY_PORT": text}, "PARLEY_GATEWAY_PORT")
    assert str(caught.value).startswith(f"PARLEY_GATEWAY_PORT={text[:20]}")


def test_a_port_that_is_unset_or_empty_has_its_default() -> None:
    assert port_of({}, "PARLEY_ASR_PORT") == port_of({"PARLEY_ASR_PORT": " "}, "PARLEY_ASR_PORT") == 50051
    assert port_of({"PARLEY_ASR_PORT": "0065535"}, "PARLEY_ASR_PORT") == 65535


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "127.0.0.2"])
def test_an_address_that_can_be_had_has_no_problem(host: str) -> None:
    assert find_problem(host, 0) is None


@pytest.mark.parametrize("host", ["203.0.113.9", "nobody.invalid", "999.1.1.1", "a" * 70, "2001:db8::9"])
def test_an_address_that_is_not_this_machines_is_named_with_those_that_are(host: str) -> None:
    problem = find_problem(host, 18_080)
    assert problem is not None
    told = explain(problem, host, 18_080, "PARLEY_GATEWAY_GRPC_PORT")
    assert told.startswith(f"PARLEY_GATEWAY_HOST={host} is no address of this machine")
    assert "127.0.0.1" in told


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_port_that_is_taken_is_named_with_its_variable(host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        problem = find_problem(host, port)
    assert problem is not None
    told = explain(problem, host, port, "PARLEY_ASR_METRICS_PORT")
    assert told.startswith(f"port {port} on {host} is taken")
    assert "PARLEY_ASR_METRICS_PORT" in told


def test_what_has_nothing_to_do_with_the_port_is_not_called_taken() -> None:
    told = explain(OSError(errno.EMFILE, "in the words of a library"), "127.0.0.1", 80, "PARLEY_GATEWAY_PORT")
    assert told == "nothing can listen on port 80 of 127.0.0.1 (Too many open files)"


def test_a_port_for_administrators_is_named_with_those_that_are_not() -> None:
    refused = PermissionError(errno.EACCES, "Permission denied")
    told = explain(refused, "127.0.0.1", 80, "PARLEY_GATEWAY_PORT")
    assert told.startswith("port 80 on 127.0.0.1 needs the rights of an administrator")
    assert "PARLEY_GATEWAY_PORT to one from 1024 up" in told
