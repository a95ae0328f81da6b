"""A process that was started with a lifeline ends when it is cut, whatever it is doing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from serving.lifeline import is_supervised

BUSY = """
import os, sys, threading
from serving.lifeline import watch
watch()
assert "PARLEY_SUPERVISED" not in os.environ
sys.stdout.write("ready\\n")
sys.stdout.flush()
{work}
"""
WORK = {
    "waits": "threading.Event().wait()",
    "computes": "\nwhile True: pass",
    "sleeps in a library": "import ctypes; ctypes.CDLL(None).pause()",
}


@pytest.mark.parametrize("work", WORK)
async def test_whatever_it_does_it_ends_with_its_parent(work: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BUSY.format(work=WORK[work])),
        env={**os.environ, "PARLEY_SUPERVISED": "1"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"ready\n"
        assert process.returncode is None
        process.stdin.close()
        assert await process.wait() == -signal.SIGTERM


def test_without_a_parent_that_says_so_standard_input_is_none() -> None:
    assert is_supervised({"PARLEY_SUPERVISED": "1"})
    assert not is_supervised({})
    assert not is_supervised({"PARLEY_SUPERVISED": "0"})
