"""A model server dies or hangs in the middle of a turn: it is named, the session goes on, and it is used again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from parley.audio import decode_file
from parley.conversation import ErrorEvent, Event, Outcome, ReplyStarted, SessionReady, TurnReport, UserSpeechStarted
from parley_cli.client import EventLog, Talker, converse
from parley_cli.processes import PROCESSES, Process
from tests.end_to_end.whole import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BY_NAME = {process.module: process for process in PROCESSES}
# A slow LLM and slow speech leave time to kill a server while it works.
SETTINGS = {
    "PARLEY_ASR_ENGINE": "moonshine",
    "PARLEY_LLM_ENGINE": "scripted",
    "PARLEY_TTS_ENGINE": "scripted",
    "PARLEY_SCRIPTED_LLM_TEXT": "One two three four five six. Seven eight nine ten eleven twelve thirteen.",
    "PARLEY_SCRIPTED_LLM_DELAY_MS": "300",
    "PARLEY_SCRIPTED_LLM_DELTA_MS": "50",
    "PARLEY_LOG_LEVEL": "ERROR",
}


class Processes:
    """Four processes that can be killed and started again one by one."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.running: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, module: str) -> None:
        self.running[module] = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, env=self.environment, stderr=asyncio.subprocess.DEVNULL
        )
        process: Process = BY_NAME[module]
        address = f"127.0.0.1:{self.environment[process.port_variables[0][0]]}"
        async with asyncio.timeout(30), grpc.aio.insecure_channel(address) as channel:
            request = health_pb2.HealthCheckRequest(service=process.service)
            while True:
                try:
                    answer = await health_pb2_grpc.HealthStub(channel).Check(request, wait_for_ready=True)  # type: ignore[attr-defined]
                except grpc.aio.AioRpcError:
                    continue
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return

    async def kill(self, module: str) -> None:
        self.running[module].send_signal(signal.SIGKILL)
        await self.running[module].wait()

    async def hang(self, module: str) -> None:
        """Its connections stay open, and nothing comes over them any more."""
        self.running[module].send_signal(signal.SIGSTOP)

    async def wake(self, module: str) -> None:
        self.running[module].send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        for process in self.running.values():
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                await process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['PARLEY_GATEWAY_PORT']}"


@asynccontextmanager
async def four_processes() -> AsyncIterator[Processes]:
    variables = [name for process in PROCESSES for name, _ in process.port_variables]
    ports = dict(zip(variables, map(str, free_ports(len(variables))), strict=True))
    addresses = {
        f"PARLEY_{name}_ADDRESS": f"127.0.0.1:{ports[f'PARLEY_{name}_PORT']}" for name in ("ASR", "LLM", "TTS")
    }
    processes = Processes({**os.environ, **SETTINGS, **ports, **addresses})
    try:
        async with asyncio.TaskGroup() as tasks:
            for process in PROCESSES:
                tasks.create_task(processes.start(process.module))
        yield processes
    finally:
        await processes.stop()


class Witness:
    """Notes what a talker is told, and acts when a certain event comes."""

    def __init__(self, trigger: type[Event]) -> None:
        self.trigger = trigger
        self.triggered = asyncio.Event()
        self.failed = asyncio.Event()
        self.errors: list[ErrorEvent] = []
        self.reports: list[TurnReport] = []
        self.killed_at = 0.0
        self.told_after = 0.0

    def show(self, _now: float, event: Event) -> None:
        if isinstance(event, self.trigger):
            self.triggered.set()
        if isinstance(event, ErrorEvent):
            self.errors.append(event)
            if not self.failed.is_set():
                self.told_after = time.monotonic() - self.killed_at
                self.failed.set()
        if isinstance(event, TurnReport):
            self.reports.append(event)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("fate", "module", "trigger", "deadline_seconds"),
    [
        ("killed", "asr_server", UserSpeechStarted, 3.0),
        ("killed", "llm_server", UserSpeechStarted, 6.0),
        ("killed", "tts_server", ReplyStarted, 2.0),
        # What hangs is found out by its deadline, not by its connection.
        ("hung", "asr_server", UserSpeechStarted, 6.0),
        ("hung", "llm_server", UserSpeechStarted, 9.0),
        ("hung", "tts_server", ReplyStarted, 5.0),
    ],
)
async def test_a_server_that_dies_or_hangs_is_named_in_time_and_used_again_when_it_is_back(
    fate: str, module: str, trigger: type[Event], deadline_seconds: float, speech_dir: Path
) -> None:
    question = decode_file(speech_dir / "living-room-light.flac", 48_000)
    pause = bytes(2 * 48_000 * 9)
    witness = Witness(trigger)
    async with AsyncExitStack() as stack:
        processes = await stack.enter_async_context(four_processes())
        conversation = await stack.enter_async_context(converse(processes.url))
        talker = Talker(conversation, question + pause + question)
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(talker.run(witness.show))
            await witness.triggered.wait()
            witness.killed_at = time.monotonic()
            await (processes.kill(module) if fate == "killed" else processes.hang(module))
            await witness.failed.wait()
            await (processes.start(module) if fate == "killed" else processes.wake(module))
    assert witness.errors[0].hop == module.removesuffix("_server")
    assert witness.errors[0].retryable
    assert not witness.errors[0].ends_session
    assert witness.told_after <= deadline_seconds
    # The second question, in the same session, is answered; the ASR server lost not even the first.
    assert witness.reports[-1].outcome is Outcome.COMPLETED
    assert witness.reports[-1].transcript == "Turn on the living room light."
    if module == "asr_server":
        assert [report.transcript for report in witness.reports] == ["Turn on the living room light."] * 2


async def test_the_page_and_its_health_are_there_without_any_model_server() -> None:
    variables = [name for process in PROCESSES for name, _ in process.port_variables]
    ports = dict(zip(variables, map(str, free_ports(len(variables))), strict=True))
    processes = Processes({**os.environ, **SETTINGS, **ports, "PARLEY_ASR_ADDRESS": "127.0.0.1:1"})
    try:
        await processes.start("edge_gateway")
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{processes.url}/healthz") as response:
                assert response.status == 200
            async with http.get(f"{processes.url}/") as response:
                assert "Content-Security-Policy" in response.headers
                assert "<title>Parley" in await response.text()
        async with converse(processes.url) as conversation:
            talker = Talker(conversation, bytes(9_600))
            log = EventLog()
            try:
                async with asyncio.timeout(2):
                    await talker.run(log)
            except TimeoutError:
                pass
        # Who types needs no ASR server: the session begins, and says what is away.
        (ready,) = log.of(SessionReady)
        assert ready.engines == ("", "", "")
        (error,) = log.of(ErrorEvent)
        assert (error.hop, error.retryable) == ("asr", True)
    finally:
        await processes.stop()
