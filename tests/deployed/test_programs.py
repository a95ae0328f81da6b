"""No program that a test has started outlives the tests."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.programs import eventually, running

STARTS = """
import asyncio, pathlib
from tests.programs import running

async def main():
    async with running(pathlib.Path.cwd(), "child", "sh", "-c", "echo $$; exec sleep 600"):
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_program_ends_with_the_block(tmp_path: Path) -> None:
    async with running(tmp_path, "sleeper", "sleep", "600") as process:
        assert process.returncode is None
    assert process.returncode == -signal.SIGTERM


async def test_a_program_ends_with_tests_that_are_killed(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    tests = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTS, cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}
    )

    async def started() -> int | None:
        log = tmp_path / "child.log"
        told = log.read_text() if log.exists() else ""
        return int(told) if told.endswith("\n") else None

    try:
        child = await eventually(started, "the child's number")
    finally:
        tests.kill()
        await tests.wait()

    async def gone() -> bool | None:
        listing = await asyncio.create_subprocess_exec(
            "ps", "-o", "stat=", "-p", str(child), stdout=asyncio.subprocess.PIPE
        )
        state, _ = await listing.communicate()
        # One that has ended stays a zombie where nobody asks after it.
        return state.strip()[:1] in {b"", b"Z"} or None

    assert await eventually(gone, "the end of the child")
