"""Where Parley is, by the variables that its own processes read: every command finds it there."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import pytest

from parley.errors import InvalidInput
from parley_cli import main
from parley_cli.processes import ASR, GATEWAY, LLM, TTS, page_url, server_address
from tests.end_to_end.whole import free_ports

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"PARLEY_GATEWAY_PORT": "9000"}, "http://127.0.0.1:9000"),
        ({"PARLEY_GATEWAY_HOST": "0.0.0.0"}, "http://127.0.0.1:8080"),
        ({"PARLEY_GATEWAY_HOST": "::"}, "http://[::1]:8080"),
        ({"PARLEY_GATEWAY_HOST": "[::1]", "PARLEY_GATEWAY_PORT": "1"}, "http://[::1]:1"),
        ({"PARLEY_GATEWAY_HOST": " 192.0.2.7 "}, "http://192.0.2.7:8080"),
    ],
)
def test_the_page_is_where_the_gateway_serves_it(environment: dict[str, str], url: str) -> None:
    assert page_url(environment) == url


def test_a_server_is_where_the_gateway_is_told_else_where_it_would_listen() -> None:
    assert server_address({}, ASR) == "127.0.0.1:50051"
    assert server_address({"PARLEY_LLM_HOST": "::", "PARLEY_LLM_PORT": "7"}, LLM) == "[::1]:7"
    assert server_address({"PARLEY_TTS_ADDRESS": "voices:50053", "PARLEY_TTS_PORT": "7"}, TTS) == "voices:50053"
    assert server_address({"PARLEY_TTS_ADDRESS": " one:1 , two:2"}, TTS) == "one:1"
    assert GATEWAY.address({"PARLEY_GATEWAY_GRPC_PORT": "7"}) == "127.0.0.1:7"


def test_a_variable_that_holds_no_port_is_named() -> None:
    with pytest.raises(InvalidInput, match="PARLEY_TTS_PORT=loud: not a whole number"):
        server_address({"PARLEY_TTS_PORT": "loud"}, TTS)


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        (("talk",), "PARLEY_GATEWAY_PORT"),
        (("bench", "--sessions", "1"), "PARLEY_GATEWAY_PORT"),
        (("chat", "hello"), "PARLEY_LLM_PORT"),
        (("say", "hello", "--out", "/dev/null"), "PARLEY_TTS_PORT"),
        (("eval",), "PARLEY_TTS_PORT"),
        (("transcribe", "v2j-time.flac"), "PARLEY_ASR_PORT"),
    ],
)
def test_every_command_looks_where_the_variable_says(
    command: tuple[str, ...], variable: str, speech_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv(variable, str(port))
    monkeypatch.chdir(speech_dir)
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        assert main(command) == 1
    assert f"127.0.0.1:{port}" in told.getvalue()


def test_a_misspelt_variable_is_told_of_by_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("PARLEY_LLM_ADRESS", f"127.0.0.1:{port}")
    monkeypatch.setenv("PARLEY_LLM_PORT", str(port))
    main(("chat", "hello"))
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "parley: PARLEY_LLM_ADRESS is set, and nothing reads it: did you mean PARLEY_LLM_ADDRESS?"
