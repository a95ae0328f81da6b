"""Log lines, and what does not stand in them."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from serving.log_lines import configure_logging

if TYPE_CHECKING:
    import pytest


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_no_line_has_a_secret_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARLEY_REDIS_URL", "redis://:hunter2two@cache:6379")
    monkeypatch.setenv("PARLEY_LLM_API_KEY", "sk-very-secret")
    before = logging.getLogger().handlers[:]
    try:
        configure_logging("tts", "INFO")
        log = logging.getLogger("parley.test")
        log.warning("AUTH %s failed at %s", "hunter2two", "redis://:other@else/0")
        try:
            int("sk-very-secret")
        except ValueError:
            log.exception("failed")
    finally:
        logging.getLogger().handlers[:] = before
    first, second = lines(capsys)
    assert first["message"] == "AUTH *** failed at redis://***@else/0"
    assert "base 10: '***'" in second["error"]
