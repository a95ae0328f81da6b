"""What commands are given that cannot be used, said before anything is done with it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from parley.audio import write_wav
from tests.parley.sound_files import encoded, tone

# Nobody listens there: what is refused is refused before anybody is asked.
NOBODY = "127.0.0.1:1"


def parley(*arguments: str, **settings: str) -> tuple[int, str, str]:
    """Status, output and errors of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "parley_cli", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **settings},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_it_says_its_version() -> None:
    assert parley("--version") == (0, f"parley {version('parley-voice')}\n", "")


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u3000"])
def test_text_without_a_word_is_refused(text: str, tmp_path: Path) -> None:
    out = tmp_path / "said.wav"
    why = "parley: TEXT is empty: there is nothing to say\n"
    assert parley("chat", text, "--server", NOBODY) == (1, "", why)
    assert parley("say", text, "--server", NOBODY, "--out", str(out)) == (1, "", why)
    assert not out.exists()


def test_text_that_is_none_is_refused() -> None:
    why = r"parley: TEXT is not in UTF-8: 'caf\udce9'" + "\n"
    assert parley("chat", os.fsdecode(b"caf\xe9"), "--server", NOBODY) == (1, "", why)
    said = ("say", "hello", "--out", "x.wav", "--server", NOBODY, "--voice", os.fsdecode(b"\xff"))
    assert parley(*said) == (1, "", r"parley: --voice is not in UTF-8: '\udcff'" + "\n")


def test_where_nothing_can_be_written_is_said_before_anybody_speaks(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", bytes(3_200), 16_000)
    nowhere = tmp_path / "nowhere"
    for out, why in (
        (nowhere / "x.wav", f"--out {nowhere / 'x.wav'}: there is no folder {nowhere}"),
        (tmp_path, f"--out {tmp_path} is a folder: name a file in it"),
        (
            tmp_path / "a.wav" / "x.wav",
            f"--out {tmp_path / 'a.wav' / 'x.wav'}: there is no folder {tmp_path / 'a.wav'}",
        ),
    ):
        for command in (
            ("say", "hello", "--server", NOBODY),
            ("talk", str(tmp_path / "a.wav"), "--url", f"http://{NOBODY}"),
        ):
            assert parley(*command, "--out", str(out)) == (1, "", f"parley: {why}\n")


def test_what_of_a_recording_cannot_be_used_is_told_beside_what_can(tmp_path: Path) -> None:
    file = tmp_path / "10:30.flac"
    data = encoded("flac", tone(4.0))
    file.write_bytes(data[: len(data) // 2])
    status, _, errors = parley("transcribe", str(file), "--server", NOBODY)
    assert status == 1
    told, why = errors.splitlines()
    assert told.startswith(f"parley: {file}: ")
    assert "it is said to last 4.0 s, and " in told
    assert "the asr server is not available" in why


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("bench", "--seconds", "nan"), "nan is no number of seconds above 0"),
        (("bench", "--seconds", "-1"), "-1 is no number of seconds above 0"),
        (("bench", "--seconds", "soon"), "soon is no number of seconds above 0"),
        (("bench", "--sessions", "0"), "0 is no number of 1 or more"),
        (("eval", "--share", "0"), "0 is no share above 0, and 1 at most"),
        (("eval", "--share", "nan"), "nan is no share above 0, and 1 at most"),
        (("eval", "--parallel", "0"), "0 is no number of 1 or more"),
    ],
)
def test_a_number_that_cannot_be_is_named(arguments: tuple[str, ...], why: str) -> None:
    status, printed, errors = parley(*arguments)
    assert (status, printed) == (2, "")
    assert why in errors


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")
@pytest.mark.parametrize("given", ["", "0", "-1", "1,", "gateway"])
def test_a_bench_measures_processes_that_are_running(given: str) -> None:
    status, out, errors = parley("bench", f"--pids={given}")
    assert (status, out) == (2, "")
    assert "is the number of no process that is running" in errors
