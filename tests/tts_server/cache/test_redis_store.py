"""A real Redis behind the memory: shared, away, frozen, or full of something else."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as NotThere

from parley import tts
from parley.errors import Unavailable
from serving.config import read
from serving.telemetry import Telemetry, new_provider
from tests.tts_server.test_service import same_sound, serving, sound, spoken
from tts_server.__main__ import open_store
from tts_server.cache.entry import CacheEntry
from tts_server.cache.redis_store import RedisStore
from tts_server.config import TtsConfig
from tts_server.engine import WordMark
from tts_server.engines.espeak import EspeakEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY, TEXT = "a" * 64, "Seven times eight"
ENTRY = CacheEntry((WordMark(0, 5, 0),), bytes(20_000))

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed: apt install redis-server"
)


@dataclass
class Server:
    """A Redis of this test."""

    url: str
    process: subprocess.Popen[bytes]


def start(folder: Path) -> Server:
    socket = folder / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    return Server(f"unix://{socket}", subprocess.Popen(command, stdout=subprocess.DEVNULL))


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[Server]:
    server = start(folder)
    try:
        async with asyncio.timeout(10), Redis.from_url(server.url) as client:
            while not await answers(client):
                await asyncio.sleep(0)
        yield server
    finally:
        server.process.kill()
        server.process.wait()


async def answers(client: Redis) -> bool:
    try:
        await client.ping()
    except NotThere:
        return False
    return True


@asynccontextmanager
async def opened(url: str, seconds: list[float]) -> AsyncIterator[RedisStore]:
    """A store whose clock shows `seconds[0]`."""
    store = RedisStore(url, lambda: seconds[0])
    try:
        yield store
    finally:
        await store.close()


async def test_one_server_finds_what_another_has_stored(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, opened(redis.url, [0.0]) as one, opened(redis.url, [0.0]) as other:
        assert await one.get(KEY, TEXT) is None
        await one.put(KEY, ENTRY)
        assert await other.get(KEY, TEXT) == ENTRY
        async with Redis.from_url(redis.url) as client:
            assert 600_000 < await client.ttl(f"parley:tts:{KEY}") <= 604_800


async def test_a_broken_entry_is_not_found_and_is_replaced(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, opened(redis.url, [0.0]) as store:
        await store.put(KEY, ENTRY)
        async with Redis.from_url(redis.url) as client:
            await client.setrange(f"parley:tts:{KEY}", 5_000, b"x")
            assert await store.get(KEY, TEXT) is None
            await client.delete(f"parley:tts:{KEY}")
            await client.rpush(f"parley:tts:{KEY}", "a list")
        assert await store.get(KEY, TEXT) is None


async def test_a_redis_that_goes_and_comes_back_costs_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [0.0]
    caplog.set_level(logging.INFO)
    async with opened(f"unix://{tmp_path}/redis.sock", clock) as store:
        async with redis_server(tmp_path):
            await store.put(KEY, ENTRY)
        for _ in range(3):
            assert await store.get(KEY, TEXT) is None
            await store.put(KEY, ENTRY)
            clock[0] += 6
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        async with redis_server(tmp_path):
            await store.put(KEY, ENTRY)
            assert await store.get(KEY, TEXT) == ENTRY
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_redis_that_hangs_holds_nobody_up_for_long_and_is_left_alone_for_a_while(tmp_path: Path) -> None:
    clock = [0.0]
    async with redis_server(tmp_path) as redis, opened(redis.url, clock) as store:
        await store.put(KEY, ENTRY)
        redis.process.send_signal(signal.SIGSTOP)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await store.get(KEY, TEXT) is None
        assert loop.time() - began < 1
        began = loop.time()
        for _ in range(100):
            assert await store.get(KEY, TEXT) is None
        assert loop.time() - began < 0.1
        redis.process.send_signal(signal.SIGCONT)
        clock[0] += 6
        assert await store.get(KEY, TEXT) == ENTRY


async def test_one_who_leaves_while_asking_gets_nobody_else_a_wrong_answer(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, opened(redis.url, [0.0]) as store:
        entries = {str(number) * 64: CacheEntry((), bytes([number, 0]) * 50_000) for number in range(8)}
        for key, entry in entries.items():
            await store.put(key, entry)
        for turns in range(1, 40):
            async with asyncio.TaskGroup() as tasks:
                asking = tasks.create_task(store.get("0" * 64, TEXT))
                for _ in range(turns % 8):
                    await asyncio.sleep(0)
                asking.cancel()
            assert {key: await store.get(key, TEXT) for key in entries} == entries


async def test_two_servers_share_what_they_say_over_the_wire(tmp_path: Path) -> None:
    ends: list[tts.SentenceEnd] = []
    sounds = []
    async with redis_server(tmp_path) as redis:
        config = read(TtsConfig, {"PARLEY_REDIS_URL": redis.url})
        for _ in range(2):
            telemetry = Telemetry(new_provider("tts"), CollectorRegistry())
            async with open_store(config, telemetry) as store, serving(EspeakEngine(), store=store) as server:
                events = await spoken(server.client, tts.Config(), "Please tell me more about that.")
            ends += [event for event in events if isinstance(event, tts.SentenceEnd)]
            sounds.append(sound(events))
            assert telemetry.registry.get_sample_value("parley_tts_cache_bytes")
    assert [end.cached for end in ends] == [False, True]
    assert same_sound(*sounds)


async def test_a_reply_is_spoken_without_the_redis_that_was_configured(tmp_path: Path) -> None:
    config = read(TtsConfig, {"PARLEY_REDIS_URL": f"unix://{tmp_path}/nothing.sock"})
    telemetry = Telemetry(new_provider("tts"), CollectorRegistry())
    async with open_store(config, telemetry) as store, serving(EspeakEngine(), store=store) as server:
        assert sound(await spoken(server.client, tts.Config(), "Please tell me more."))


async def refusal(**settings: str) -> str:
    telemetry = Telemetry(new_provider("tts"), CollectorRegistry())
    with pytest.raises(Unavailable) as caught:
        async with open_store(read(TtsConfig, settings), telemetry):
            pass
    return str(caught.value)


async def test_what_is_no_url_of_a_redis_is_told_without_the_password_in_it() -> None:
    told = await refusal(PARLEY_REDIS_URL="http://me:secret@localhost")
    assert told.startswith("PARLEY_REDIS_URL: ")
    assert "secret" not in told


async def test_a_package_that_is_missing_is_told_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    told = await refusal(PARLEY_REDIS_URL="redis://localhost")
    assert (
        told == "redis, which PARLEY_REDIS_URL needs, is not installed: pip install '.[redis]' in the folder of Parley"
    )


async def test_no_megabytes_are_no_cache_at_all() -> None:
    config = read(TtsConfig, {"PARLEY_TTS_CACHE_MB": "0", "PARLEY_REDIS_URL": "redis://localhost"})
    async with open_store(config, Telemetry(new_provider("tts"), CollectorRegistry())) as store:
        assert store is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter/2two@localhost:6379",
        "redis://:hunter#2two@localhost:6379",
        "redis://:hunter?2two@localhost:6379",
        "redis://me:1234/hunter2two@localhost",
        "redis://:hunter2two@localhost:port",
        "hunter2two",
    ],
)
async def test_a_password_that_makes_the_url_another_one_is_not_told(url: str) -> None:
    told = await refusal(PARLEY_REDIS_URL=url)
    assert told.startswith("PARLEY_REDIS_URL: write redis://HOST:PORT")
    assert not any(part in told for part in ("hunter", "2two", "1234"))


async def test_what_a_redis_says_of_a_password_stays_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def quote(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What servers that know no AUTH answer, and proxies in front of them."""
        asked = (await reader.read(1_000)).decode()
        writer.write(f"-ERR unknown command, with args beginning with: {' '.join(asked.split())!r}\r\n".encode())
        writer.close()

    async with await asyncio.start_server(quote, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with opened(f"redis://me:hunter%2F2two@127.0.0.1:{port}", [0.0]) as store:
            assert await store.get(KEY, TEXT) is None
    [record] = caplog.records
    assert "with args beginning with" in record.getMessage()
    assert "***" in record.getMessage()
    assert "2two" not in record.getMessage()
