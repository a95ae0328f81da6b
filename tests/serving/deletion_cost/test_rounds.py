"""Pods get the cost of their work from a real server that speaks the API's paths."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from parley.errors import InvalidInput, Unavailable
from serving.deletion_cost.api import Api
from serving.deletion_cost.rounds import Round, Rounds
from tests.end_to_end.whole import free_ports
from tests.serving.deletion_cost.cluster import BROKEN, Cluster, cluster, measuring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NAMES = ("gateway", "asr")
SECONDS = 0.01
# A busy machine answers late; nothing here is about that.
PATIENCE_SECONDS = 60.0
NOBODY = 'parley_asr_streams_active 0.0\nparley_queue_depth{service="asr"} 7.0\n'
FIVE = "parley_asr_streams_active 5.0\n"


def rounds_of(api: Api) -> Rounds:
    """As often as can be."""
    return Rounds(api, NAMES, SECONDS, patience_seconds=PATIENCE_SECONDS)


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster without pods."""
    async with cluster(tmp_path) as made:
        yield made


@pytest.fixture
async def pods(there: Cluster) -> AsyncIterator[Cluster]:
    """The same with three: one idle, one busy, and one that is gone without a word."""
    async with AsyncExitStack() as stack:
        for name, metrics in (("asr-idle", NOBODY), ("asr-busy", FIVE)):
            there.add(name, metrics, await stack.enter_async_context(measuring(there, name)))
        # Bound, so that nobody else gets it, and not listening.
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        there.add("asr-gone", FIVE, closed.getsockname()[1], cost="2")
        yield there


async def test_an_idle_pod_costs_nothing_and_a_busy_one_something(pods: Cluster) -> None:
    assert await rounds_of(pods.api).once() == Round(seen=3, written=2, failed=1)
    assert pods.costs == {"asr-idle": "0", "asr-busy": "8", "asr-gone": "2"}


async def test_a_cost_is_written_only_when_it_is_another(pods: Cluster) -> None:
    rounds = rounds_of(pods.api)
    await rounds.once()
    pods.work["asr-busy"] = "parley_asr_streams_active 7.0\n"
    assert await rounds.once() == Round(seen=3, written=0, failed=1)
    pods.work["asr-idle"] = "parley_asr_streams_active 1.0\n"
    await rounds.once()
    assert sorted(pods.patched[:2]) == [("asr-busy", "8"), ("asr-idle", "0")]
    assert pods.patched[2:] == [("asr-idle", "1")]


@pytest.mark.parametrize(
    "said",
    [BROKEN, "parley_up 1\n", "\xff", "# more\n" * (1024 * 1024) + FIVE],
    ids=["500", "else", "junk", "too much"],
)
async def test_a_pod_that_does_not_tell_keeps_its_cost_and_holds_up_no_other(pods: Cluster, said: str) -> None:
    pods.work["asr-idle"] = said
    assert await rounds_of(pods.api).once() == Round(seen=3, written=1, failed=2)
    assert pods.costs == {"asr-idle": None, "asr-busy": "8", "asr-gone": "2"}


async def test_pods_of_others_and_pods_that_end_or_have_no_address_yet_are_left_alone(pods: Cluster) -> None:
    pods.pods["asr-idle"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    del pods.pods["asr-gone"]["status"]["podIP"]
    pods.add("redis", FIVE, 1, process="redis")
    assert await rounds_of(pods.api).once() == Round(seen=1, written=1)
    assert [each["fieldSelector"] for each in pods.listed] == ["status.phase=Running"]


async def test_many_pods_are_listed_in_pages(pods: Cluster) -> None:
    pods.page = 1
    assert (await rounds_of(pods.api).once()).seen == 3
    assert [each.get("continue") for each in pods.listed] == [None, "1", "2"]


async def test_the_token_is_read_anew_for_each_round(pods: Cluster) -> None:
    rounds = rounds_of(pods.api)
    token = pods.api.account / "token"
    right = token.read_text()
    token.write_text("another")
    with pytest.raises(Unavailable, match="401"):
        await rounds.once()
    token.write_text(right)
    assert (await rounds.once()).written == 2


@pytest.mark.parametrize(("status", "said"), [(403, "403"), (500, "500"), (503, "503")])
async def test_an_api_that_refuses_is_said_so_and_changes_nothing(pods: Cluster, status: int, said: str) -> None:
    pods.refuses = status
    with pytest.raises(Unavailable, match=said):
        await rounds_of(pods.api).once()
    assert pods.patched == []


async def test_an_api_whose_authority_is_another_is_told_nothing(pods: Cluster, tmp_path: Path) -> None:
    account = tmp_path / "other"
    account.mkdir()
    async with cluster(account):
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await rounds_of(replace(pods.api, account=account)).once()
    assert not pods.asked.is_set()


async def test_when_the_api_comes_back_it_goes_on(pods: Cluster) -> None:
    pods.refuses = 500
    stopping = asyncio.Event()
    rounds = Rounds(pods.api, NAMES, SECONDS, patience_seconds=PATIENCE_SECONDS, clock=lambda: 0.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(rounds.run(stopping))
        await pods.asked.wait()
        before = rounds.is_fresh
        pods.refuses = 0
        await pods.changed.wait()
        stopping.set()
    assert (before, rounds.is_fresh) == (False, True)


async def test_it_is_fresh_until_a_few_rounds_were_missed(pods: Cluster) -> None:
    now = 100.0
    rounds = Rounds(pods.api, NAMES, 10.0, patience_seconds=PATIENCE_SECONDS, clock=lambda: now)
    await rounds.once()
    now = 140.0
    assert rounds.is_fresh
    now = 140.1
    assert not rounds.is_fresh


def test_outside_a_pod_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="KUBERNETES_SERVICE_HOST"):
        Api.of({}, tmp_path)
    there = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(InvalidInput, match="token is not there"):
        Api.of(there, tmp_path)
    for name in ("token", "ca.crt", "namespace"):
        (tmp_path / name).touch()
    assert Api.of(there, tmp_path).url == "https://[fd00::1]:443"


async def test_the_process_goes_round_answers_for_its_health_and_ends_when_told_to(pods: Cluster) -> None:
    [port] = free_ports(1)
    host, api_port = pods.api.url.removeprefix("https://").split(":")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "serving.deletion_cost", *NAMES, "--port", str(port), "--account", pods.api.account),
        env={"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": api_port},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await pods.changed.wait()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            for path in ("/livez", "/readyz"):
                async with http.get(path) as response:
                    assert response.status == 200
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert b"asr-gone" in said
    assert b"the token" not in said


async def test_the_process_says_in_one_line_why_it_cannot_begin() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "serving.deletion_cost", "asr"), env={}, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert (process.returncode, len(said.splitlines())) == (2, 1)
