"""What commands are given, looked at before anything is done with it."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

from parley.audio import read_recording
from parley.errors import InvalidInput


def words(text: str) -> str:
    """`text`, which must have some in it.

    Raises:
        InvalidInput: it has none, or is no text.
    """
    if not text.strip():
        raise InvalidInput("TEXT is empty: there is nothing to say", field="text")
    return in_utf8("TEXT", text)


def in_utf8(name: str, value: str) -> str:
    """`value` of the argument `name`, which goes to a server as it is.

    Raises:
        InvalidInput: it came in another encoding.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{name} is not in UTF-8: {value!a}", field=name) from error
    return value


def sound(file: str | Path, sample_rate_hz: int) -> bytes:
    """The sound of a file as mono s16le; what cannot be used of it is told on standard error.

    Raises:
        ParleyError: there is none to be had.
    """
    recording = read_recording(file, sample_rate_hz)
    if recording.faults:
        print(f"parley: {file}: {'; '.join(recording.faults)}", file=sys.stderr)
    return recording.pcm


def target(path: str) -> str:
    """`path`, where a file can be written, as far as can be seen before it is.

    Raises:
        InvalidInput: it cannot; the sentence says why.
    """
    wanted = Path(path)
    if wanted.is_dir():
        raise InvalidInput(f"--out {path or repr(path)} is a folder: name a file in it", field="out")
    if not wanted.parent.is_dir():
        raise InvalidInput(f"--out {path}: there is no folder {wanted.parent}", field="out")
    if not os.access(wanted if wanted.exists() else wanted.parent, os.W_OK):
        raise InvalidInput(f"--out {path} cannot be written: permission denied", field="out")
    return path


def one_or_more(text: str) -> int:
    """A number of things, for argparse."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is no number of 1 or more")
    return int(text)


def cores(text: str) -> tuple[int, ...]:
    """Numbers of cores that this process may use, for argparse."""
    if not hasattr(os, "sched_getaffinity"):
        raise argparse.ArgumentTypeError("this system does not keep a process to a core")
    ours = os.sched_getaffinity(0)
    names = [each.strip() for each in text.split(",")]
    strange = next((each for each in names if not each.isdecimal() or int(each) not in ours), None)
    if strange is not None:
        raise argparse.ArgumentTypeError(
            f"{strange or 'nothing'} is none of the cores {', '.join(map(str, sorted(ours)))}"
        )
    return tuple(map(int, names))


def pids(text: str) -> tuple[int, ...]:
    """Numbers of processes that are running, for argparse."""
    if not Path("/proc/self/stat").exists():
        raise argparse.ArgumentTypeError("this system does not tell in /proc what a process uses")
    names = [each.strip() for each in text.split(",")]
    strange = next((each for each in names if not each.isdecimal() or not Path("/proc", each, "stat").exists()), None)
    if strange is not None:
        raise argparse.ArgumentTypeError(f"{strange or 'nothing'} is the number of no process that is running")
    return tuple(map(int, names))


def seconds(text: str) -> float:
    """A length of time, for argparse."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds above 0")
    return value


def share(text: str) -> float:
    """A part of a whole, for argparse."""
    value = _number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no share above 0, and 1 at most")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
