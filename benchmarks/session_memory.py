"""What sessions that are over leave behind in each process: resident memory while thousands come and go.

A session is opened, configured, and left at once, which is where most is lost. Told is each process's resident memory
after every so many sessions; its growth over the second half, per 100,000 sessions, comes last.
`PYTHONPATH=. python benchmarks/session_memory.py [--sessions 40000]`.
"""

from __future__ import annotations

import argparse
import asyncio
import re

import aiohttp

from parley.conversation import SessionConfig, request_to_json
from tests.end_to_end.whole import House, open_house

SERVERS = ("ASR", "LLM", "TTS")
ROWS = 20
# An unknown request is answered with an error that names it, which comes after all that was sent before.
LAST = "the_last_frame"


async def come_and_go(http: aiohttp.ClientSession, url: str) -> None:
    """One session."""
    async with http.ws_connect(f"{url}/v1/conversation") as socket:
        await socket.send_str(request_to_json(SessionConfig()))
        await socket.send_str(f'{{"{LAST}": {{}}}}')
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT and LAST in message.data:
                return


async def resident_mb(http: aiohttp.ClientSession, house: House) -> list[float]:
    """Of the gateway and the servers."""
    own = [f"http://{house.address(f'PARLEY_{name}_METRICS_PORT')}" for name in SERVERS]
    found = []
    for url in (house.url, *own):
        async with http.get(f"{url}/metrics") as page:
            [value] = re.findall(r"^process_resident_memory_bytes (\S+)", await page.text(), re.MULTILINE)
            found.append(float(value) / 1e6)
    return found


async def run(sessions: int) -> None:
    """Have the sessions, and tell."""
    names = ("gateway", *(name.lower() for name in SERVERS))
    print("sessions", *(f"{name:>9}" for name in names), "MB resident")
    seen: list[tuple[int, list[float]]] = []
    async with open_house("scripted", PARLEY_LOG_LEVEL="ERROR") as house, aiohttp.ClientSession() as http:
        for number in range(1, sessions + 1):
            await come_and_go(http, house.url)
            if number % max(1, sessions // ROWS) == 0:
                seen.append((number, await resident_mb(http, house)))
                print(f"{number:>8}", *(f"{each:9.2f}" for each in seen[-1][1]), flush=True)
    (first, before), (last, after) = seen[len(seen) // 2], seen[-1]
    grown = [(end - start) / (last - first) * 100_000 for start, end in zip(before, after, strict=True)]
    print("growth  ", *(f"{each:9.2f}" for each in grown), "MB over 100,000 sessions")


def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=40_000)
    asyncio.run(run(parser.parse_args().sessions))


if __name__ == "__main__":
    main()
