"""`parley bench`, held with a Parley that runs, for benchmarks that compare its figures."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.end_to_end.gateway_alone import gateway_process
from tests.end_to_end.whole import House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class NothingMeasured(SystemExit):
    """A bench could not measure one turn, or could not reach Parley."""


@asynccontextmanager
async def second_gateway(house: House, **settings: str) -> AsyncIterator[House]:
    """Another gateway in front of the servers of `house`, or in front of those that `settings` name."""
    servers = {f"PARLEY_{name}_ADDRESS": house.address(f"PARLEY_{name}_PORT") for name in ("ASR", "LLM", "TTS")}
    async with gateway_process(**{**servers, **settings}) as other:
        ports = {**house.ports, "PARLEY_GATEWAY_PORT": other.http_port, "PARLEY_GATEWAY_GRPC_PORT": other.grpc_port}
        yield House(other.url, ports, other.process)


async def bench(house: House, *arguments: str) -> dict[str, Any]:
    """The figures of one run, by their names; turns that were not measured and errors are printed.

    Raises:
        NothingMeasured: not one turn was measured, or Parley could not be reached.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parley_cli", "bench", "--json", "--url", house.url, *arguments),
        env={**os.environ, **{name: str(port) for name, port in house.ports.items()}},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise NothingMeasured(f"parley bench ended with {process.returncode}: {out.decode()}")
    figures: dict[str, Any] = json.loads(out)
    if figures["measured"] < figures["turns"] or figures["errors"]:
        print(f"  {figures['unmeasured']} not measured, {figures['error_messages']}", flush=True)
    return figures
