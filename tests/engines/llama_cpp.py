"""llama.cpp's OpenAI-compatible server in a process of its own: `python -m tests.engines.llama_cpp MODEL CONTEXT`.

It says its address on a line, and ends when its input does.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ALIAS: Final = "smol"
SLOTS: Final = 1


@asynccontextmanager
async def llama_serving(model: Path, context_tokens: int = 1_024) -> AsyncIterator[str]:
    """The server with that model, called `ALIAS`, which writes `SLOTS` replies at once; gives its address."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp has no wheel for this machine")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.engines.llama_cpp", str(model), str(context_tokens)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = ""
        async with asyncio.timeout(120):
            while not address.startswith("http"):
                line = await process.stdout.readline()
                assert line, "llama.cpp's server did not start"
                address = line.decode().strip()
        yield address
    finally:
        process.stdin.close()
        await process.wait()


def main(model: str, context_tokens: int) -> None:
    """Serve until nothing more comes in."""
    import xllamacpp  # noqa: PLC0415 - it is not there on every machine

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = {ALIAS}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel, params.ctx_shift = context_tokens, SLOTS, False
    params.endpoint_slots = params.endpoint_metrics = True
    # More would wait for one another on a machine that has other work.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup, params.n_gpu_layers = False, 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201 - who started it reads that
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
