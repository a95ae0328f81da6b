"""How evenly sessions lie over several servers, and what a rolling restart of all of them costs those who talk.

Three ASR, two LLM and two TTS servers with scripted engines and a gateway, each a process of its own. Sessions are
opened, each of which speaks a turn of 2.4 s now and then, at the pace of time. Told are the sessions of each ASR
server; then, one server after the other being stopped and started again, how long each took to end, its share of the
sessions that came after it was back, and the turns by how they ended.
Run it in the repository with the package installed: `PYTHONPATH=. python benchmarks/replicas.py [--sessions 60]`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from parley.conversation import ErrorEvent, SessionConfig, SessionReady, TurnReport
from parley_cli.client import open_websocket
from tests.edge_gateway.rig import SILENCE, TONE, Listener
from tests.end_to_end.replicas import open_replicas

if TYPE_CHECKING:
    from tests.end_to_end.replicas import Replica, Replicas

PAUSE_SECONDS: Final = 12.0
"""Mean pause of a session between two turns."""
STEP_SECONDS: Final = 0.1
NEW_SESSIONS: Final = 6
LONGEST_SECONDS: Final = 900


class Guest:
    """One session, which speaks again and again."""

    def __init__(self, listener: Listener, tally: Counter[str], chance: random.Random, over: asyncio.Event) -> None:
        """Count turns and errors in `tally`, and begin none when it is `over`."""
        self._listener = listener
        self._tally = tally
        self._chance = chance
        self._over = over
        self._answered = asyncio.Event()

    async def talk(self) -> None:
        """Speak until it is over."""
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen())
            while True:
                try:
                    async with asyncio.timeout(self._chance.expovariate(1 / PAUSE_SECONDS)):
                        await self._over.wait()
                except TimeoutError:
                    await self._speak_a_turn()
                else:
                    break
            listening.cancel()

    async def _speak_a_turn(self) -> None:
        self._answered.clear()
        self._tally["spoken"] += 1
        began = time.monotonic()
        for step, sound in enumerate([SILENCE] * 2 + [TONE] * 8 + [SILENCE] * 14, 1):
            await self._listener.speak(STEP_SECONDS, sound)
            await asyncio.sleep(max(0.0, began + step * STEP_SECONDS - time.monotonic()))
        try:
            async with asyncio.timeout(15):
                await self._answered.wait()
        except TimeoutError:
            self._tally["not answered"] += 1

    async def _listen(self) -> None:
        while True:
            match await self._listener.next():
                case TurnReport() as report:
                    self._tally[report.outcome.name.lower()] += 1
                    self._answered.set()
                case ErrorEvent() as error:
                    self._tally[f"error: {error.message}"] += 1
                case _:
                    pass
            self._listener.events.clear()
            self._listener.packets.clear()


async def sessions_of(house: Replicas) -> dict[str, int]:
    """Sessions of each ASR server."""
    return {address: known["in_flight"] for address, known in (await house.servers("asr")).items()}


async def restarted(house: Replicas, member: Replica) -> float:
    """Stop a server and start it again; gives the seconds that it took to end."""
    began = time.monotonic()
    member.tell_to_stop()
    status = await member.ended()
    seconds = time.monotonic() - began
    if status:
        raise SystemExit(f"{member.module} at {member.address} ended with status {status}")
    await member.start()
    while (await house.servers(member.module.partition("_")[0]))[member.address]["health"] != "serving":
        pass
    return seconds


async def measure(sessions: int) -> None:
    chance, tally, over = random.Random(1), Counter[str](), asyncio.Event()  # noqa: S311 - moments, not secrets
    async with (
        asyncio.timeout(LONGEST_SECONDS),
        open_replicas(3, 2, 2) as house,
        AsyncExitStack() as stack,
        asyncio.TaskGroup() as tasks,
    ):

        async def invite(count: int) -> None:
            for _ in range(count):
                listener = Listener(await stack.enter_async_context(open_websocket(house.url)))
                await listener.send(SessionConfig())
                await listener.until(SessionReady)
                tasks.create_task(Guest(listener, tally, chance, over).talk())

        await invite(sessions)
        print(f"{sessions} sessions: {sorted((await sessions_of(house)).values())} at the ASR servers")
        for member in house.members:
            seconds = await restarted(house, member)
            told = f"{member.module} at {member.address} ended {seconds:.1f} s after it was told to"
            if member.module == "asr_server":
                before = await sessions_of(house)
                await invite(NEW_SESSIONS)
                new = (await sessions_of(house))[member.address] - before[member.address]
                share = f"{new} of {NEW_SESSIONS} new sessions"
                told += f"; when it was back it got {share}, and the servers have {sorted(before.values())} before"
            print(told)
        over.set()
    print("turns: " + ", ".join(f"{count} {what}" for what, count in sorted(tally.items())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=60)
    asyncio.run(measure(parser.parse_args().sessions))


if __name__ == "__main__":
    main()
