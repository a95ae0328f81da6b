"""Where the command line prints to: any alphabet, a reader who leaves, a disk that is full."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from parley.audio import write_wav
from parley.conversation import Event, Outcome, SessionConfig, TurnReport, UserUtterance, WaterfallSlice
from tests.parley_cli.gateways import page
from tests.parley_cli.test_client import READY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from parley.conversation import Request
    from tests.parley_cli.gateways import Send

WORDS = "Wie spät ist es? 何時"
REPLY = "Fünf – oder sechs."
REPORT = TurnReport(
    1, WORDS, REPLY, REPLY, 400.0, (WaterfallSlice("asr.endpoint", 0.0, 300.0),), "0" * 32,
    Outcome.COMPLETED, 0.0, 1, head_start=False, explained=1.0,
)  # fmt: skip
PRINTS = (["--version"], ["--help"], ["talk", "--help"], ["models", "list"])


def ended(arguments: list[str], stdout: int, stderr: int = subprocess.PIPE, **settings: str) -> tuple[int, str]:
    """Exit status and errors of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "parley_cli", *arguments],
        stdout=stdout,
        stderr=stderr,
        # Unbuffered, argparse keeps to itself what it could not print.
        env={**os.environ, "PYTHONUNBUFFERED": "", **settings},
        check=False,
    )
    return done.returncode, (done.stderr or b"").decode()


@pytest.fixture
def nobody_reads() -> Iterator[int]:
    """A pipe whose reader has left."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.fixture
def full_disk() -> Iterator[int]:
    full = os.open("/dev/full", os.O_WRONLY)
    yield full
    os.close(full)


@pytest.mark.parametrize("arguments", PRINTS, ids=" ".join)
def test_a_reader_who_leaves_ends_a_command_as_sigpipe_would(
    arguments: list[str], nobody_reads: int, tmp_path: Path
) -> None:
    assert ended(arguments, nobody_reads, HF_HOME=str(tmp_path)) == (141, "")


@pytest.mark.parametrize("arguments", PRINTS, ids=" ".join)
def test_a_full_disk_is_told_in_one_line(arguments: list[str], full_disk: int, tmp_path: Path) -> None:
    why = "parley: standard output: No space left on device\n"
    assert ended(arguments, full_disk, HF_HOME=str(tmp_path)) == (1, why)


@pytest.mark.parametrize("arguments", [["transcribe", "nowhere.wav"], ["chat", ""], ["say", "", "--out", "x.wav"]])
def test_with_nobody_to_complain_to_the_status_is_the_same(
    arguments: list[str], nobody_reads: int, full_disk: int
) -> None:
    assert ended(arguments, nobody_reads, nobody_reads) == (1, "")
    assert ended(arguments, full_disk, full_disk) == (1, "")


def test_a_wrong_word_is_answered_as_argparse_does_with_nobody_to_read_it(nobody_reads: int) -> None:
    status, errors = ended(["tolk"], nobody_reads)
    assert status == 2
    assert "invalid choice: 'tolk'" in errors


async def one_turn(requests: AsyncIterator[Request], send: Send) -> None:
    """A gateway that hears the same words from everybody."""
    answer: tuple[Event, ...] = (READY, UserUtterance(1, WORDS, typed=False), REPORT)
    async for request in requests:
        if isinstance(request, SessionConfig):
            for event in answer:
                await send(event)


async def talked(url: str, file: Path, *arguments: str, **settings: str) -> tuple[str, bytes]:
    """What `parley talk` prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "parley_cli", "talk", "--url", url, str(file), *arguments,
        env={**os.environ, **settings}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    return settings.get("PYTHONIOENCODING", "utf-8"), printed


NARROW = ("ascii", "cp1252", "koi8-r")


@pytest.mark.timeout(120)
async def test_a_turn_is_shown_on_a_terminal_of_any_alphabet(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", bytes(3_200), 16_000)
    async with page(one_turn) as url, asyncio.TaskGroup() as tasks:
        works = [
            tasks.create_task(talked(url, tmp_path / "a.wav", PYTHONIOENCODING=encoding, PYTHONUTF8="0"))
            for encoding in ("utf-8", *NARROW)
        ]
        plain = tasks.create_task(talked(url, tmp_path / "a.wav", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"))
    shown = {encoding: printed.decode(encoding) for encoding, printed in (work.result() for work in works)}
    assert WORDS in shown["utf-8"]
    assert "|█████" in shown["utf-8"]
    assert "Wie sp\\xe4t ist es? \\u4f55\\u6642" in shown["ascii"]
    assert "Wie spät ist es? \\u4f55\\u6642" in shown["cp1252"]
    assert "|#####" in shown["ascii"]
    for text in (*shown.values(), plain.result()[1].decode(errors="replace")):
        assert "400 ms from the end of your speech" in text


@pytest.mark.timeout(120)
async def test_json_is_whole_on_a_terminal_of_any_alphabet(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", bytes(3_200), 16_000)
    async with page(one_turn) as url, asyncio.TaskGroup() as tasks:
        works = [
            tasks.create_task(talked(url, tmp_path / "a.wav", "--json", PYTHONIOENCODING=encoding, PYTHONUTF8="0"))
            for encoding in ("utf-8", *NARROW)
        ]
    for encoding, printed in (work.result() for work in works):
        assert json.loads(printed.decode(encoding))["transcript"] == WORDS
