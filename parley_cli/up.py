"""`parley up`: starts the three model servers and the gateway as processes, and stops them all together."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from parley._duplex import first_of
from parley.errors import Unavailable, not_installed
from parley_cli.processes import PROCESSES, Process

if TYPE_CHECKING:
    from collections.abc import Coroutine

_START_SECONDS: Final = 120.0
_STOP_SECONDS: Final = 10.0
# Every process that serves has its metrics from it, and the command line can be installed without.
_SERVING: Final = "prometheus_client"


_PROFILES: Final = {
    "embedded": {},
    "cpu": {
        "PARLEY_ASR_ENGINE": "faster-whisper",
        "PARLEY_ASR_DEVICE": "cpu",
        "PARLEY_ASR_COMPUTE_TYPE": "int8",
        "PARLEY_LLM_ENGINE": "openai",
        "PARLEY_TTS_ENGINE": "piper",
    },
    "gpu": {
        "PARLEY_ASR_ENGINE": "faster-whisper",
        "PARLEY_ASR_DEVICE": "cuda",
        "PARLEY_ASR_COMPUTE_TYPE": "float16",
        "PARLEY_LLM_ENGINE": "vllm",
        "PARLEY_TTS_ENGINE": "piper",
        "PARLEY_TTS_DEVICE": "cuda",
    },
    "scripted": {"PARLEY_ASR_ENGINE": "scripted", "PARLEY_LLM_ENGINE": "scripted", "PARLEY_TTS_ENGINE": "scripted"},
}


async def up(profile: str) -> int:
    """Start everything, print the page's address, and wait for Ctrl-C; 1 when a process could not start or died."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    for process in PROCESSES:
        _check(process)
    environment = _environment(profile)
    children: dict[str, asyncio.subprocess.Process] = {}
    try:
        for process in PROCESSES:
            # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop the others in order.
            children[process.module] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", process.module, env=environment, start_new_session=True
            )
        if not await _until(stop, _all_serving(children), children):
            return 0
        port = dict(PROCESSES[-1].ports())["PARLEY_GATEWAY_PORT"]
        print(f"Parley is listening: open http://localhost:{port} (Ctrl-C stops it)", flush=True)
        await _until(stop, stop.wait(), children)
    finally:
        await _stop(children)
    return 0


def _environment(profile: str) -> dict[str, str]:
    """The children's environment: the profile's engines, where the user has not said otherwise."""
    environment = {**_PROFILES[profile], "PARLEY_LOG_LEVEL": "WARNING", **os.environ}
    for variable, process in zip(
        ("PARLEY_ASR_ADDRESS", "PARLEY_LLM_ADDRESS", "PARLEY_TTS_ADDRESS"), PROCESSES, strict=False
    ):
        environment.setdefault(variable, f"127.0.0.1:{process.ports()[0][1]}")
    return environment


def _check(process: Process) -> None:
    """See what would make `process` fail, while it can still be said in one line.

    Raises:
        Unavailable: its package is not installed, or a port that it needs is taken.
    """
    if any(importlib.util.find_spec(name) is None for name in (process.module, _SERVING)):
        raise not_installed(f"what {process.module} needs", "all")
    for variable, port in process.ports():
        if not port:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise Unavailable(
                    f"port {port}, which {process.module} needs, is taken ({error.strerror}): "
                    f"stop what uses it, or set {variable} to another port"
                ) from error


async def _until(
    stop: asyncio.Event, goal: Coroutine[object, object, object], children: dict[str, asyncio.subprocess.Process]
) -> bool:
    """Wait for `goal`; False when the user wants to stop first.

    Raises:
        Unavailable: a process ended by itself.
    """
    try:
        return await _race(stop, goal, children)
    except BaseExceptionGroup as group:
        raise first_of(group) from None


async def _race(
    stop: asyncio.Event, goal: Coroutine[object, object, object], children: dict[str, asyncio.subprocess.Process]
) -> bool:
    async with asyncio.TaskGroup() as tasks:
        reached = tasks.create_task(goal)
        stopping = tasks.create_task(stop.wait())
        deaths = {tasks.create_task(child.wait()): module for module, child in children.items()}
        await asyncio.wait([reached, stopping, *deaths], return_when=asyncio.FIRST_COMPLETED)
        dead = [module for task, module in deaths.items() if task.done()]
        done = reached.done() and not reached.cancelled()
        for task in (reached, stopping, *deaths):
            task.cancel()
    if dead and not stop.is_set():
        status = children[dead[0]].returncode
        raise Unavailable(f"{dead[0]} ended with status {status}; its last lines above say why")
    return done and not stop.is_set()


async def _all_serving(children: dict[str, asyncio.subprocess.Process]) -> None:
    """Return when every process reports SERVING.

    Raises:
        Unavailable: one does not within two minutes.
    """
    for process in PROCESSES[: len(children)]:
        port = process.ports()[0][1]
        try:
            async with asyncio.timeout(_START_SECONDS):
                # A process that is starting has nobody to tell it; so we ask.
                while not await _serving(port, process.service):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise Unavailable(f"{process.module} is not ready after {_START_SECONDS:.0f} s") from error


async def _serving(port: int, service: str) -> bool:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            # The package's types leave the stub's methods out.
            answer = await health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]
                health_pb2.HealthCheckRequest(service=service), timeout=1.0
            )
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _stop(children: dict[str, asyncio.subprocess.Process]) -> None:
    """End the gateway first, so that it can still say goodbye, then the others; kill what does not end."""
    for child in reversed(children.values()):
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
    for child in reversed(children.values()):
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()
