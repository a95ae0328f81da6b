"""`/stats` and `/status` of a real gateway with real servers: what they tell, to whom, and what they never tell."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from edge_gateway.config import STATUS_LOOPBACK, STATUS_OPEN
from edge_gateway.transports.status_access import StatusAccess
from parley import asr
from parley.conversation import SessionConfig, TurnReport, UserText
from parley.v1 import status_pb2, status_pb2_grpc
from tests.edge_gateway.rig import (
    Script,
    Writer,
    gateway,
    house,
    listening,
    serve,
    serve_asr,
    serve_llm,
    serve_tts,
)

if TYPE_CHECKING:
    from tests.edge_gateway.rig import Gateway

CANARY: Final = "quagga marzipan"
NOBODY: Final = "127.0.0.1:9"
DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "status.md"
PATHS: Final = ("/stats", "/status")


async def answer(parley: Gateway, path: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(parley.url + path, headers=headers) as response:
        return response.status, await response.text()


async def stats(parley: Gateway) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{parley.url}/stats") as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        found: dict[str, Any] = await response.json()
        return found


async def test_before_anybody_speaks_there_are_servers_and_no_turns() -> None:
    async with house() as parley:
        found = await stats(parley)
    assert found["sessions"] == {"active": 0, "max": 10}
    assert (found["turns"], found["percentiles"], found["gateways"]) == ([], {}, [])
    assert [(each["name"], each["state"], each["engine"], each["reason"]) for each in found["servers"]] == [
        (name, "serving", "scripted", "") for name in ("asr", "llm", "tts")
    ]
    assert [each["turn_detection"] for each in found["servers"]] == ["words", "", ""]
    assert found["started_unix_ms"] <= found["now_unix_ms"]


async def test_a_spoken_and_a_typed_turn_are_told_of_with_their_waterfalls_and_percentiles() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.say_something()
        said = await listener.until(TurnReport)
        await listener.send(UserText("and tomorrow?"))
        typed = await listener.until(TurnReport)
        found = await stats(parley)
    assert found["sessions"]["active"] == 1
    assert found["servers"][0]["calls"] == 1
    newest, oldest = found["turns"]
    assert [newest["kind"], oldest["kind"]] == ["typed", "spoken"]
    assert [newest["trace_id"], oldest["trace_id"]] == [typed.trace_id, said.trace_id]
    assert (oldest["turn"], oldest["outcome"], oldest["failed_hop"], oldest["sampled"]) == (1, "completed", "", True)
    assert oldest["mic_to_speaker_ms"] == pytest.approx(said.mic_to_speaker_ms, abs=0.001)
    assert [each["name"] for each in oldest["waterfall"]] == [each.name for each in said.waterfall]
    figures = found["percentiles"]
    assert figures["mic_to_speaker_ms"]["count"] == figures["text_to_speaker_ms"]["count"] == 1
    assert figures["llm.chat"]["count"] == 2
    assert set(figures["asr.endpoint"]) == {"p50", "p95", "p99", "count"}


async def test_every_field_is_documented_and_no_other() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.send(UserText("hello"))
        await listener.until(TurnReport)
        found = await stats(parley)
    rows = re.findall(r"^\| (`.*?) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    [turn] = found["turns"]
    assert sorted(documented) == sorted([*found, *found["servers"][0], *turn])


async def test_nothing_that_the_page_asks_for_begins_at_the_root_of_its_host() -> None:
    async with house() as parley:
        _, page = await answer(parley, "/status")
    assert 'src="web/status.js"' in page
    assert 'src="/' not in page
    assert 'href="/' not in page


async def test_what_was_said_typed_written_and_greeted_is_told_to_nobody_who_looks() -> None:
    script = Script(heard=(f"do you like {CANARY}",), writer=Writer(f"I like {CANARY} more than anything."))
    config = SessionConfig(greeting=f"Welcome, {CANARY}.", instructions=f"Speak of {CANARY}.", hints=(CANARY,))
    async with house(script) as parley, listening(parley, config) as listener:
        await listener.until(TurnReport)
        await listener.say_something()
        said = await listener.until(TurnReport)
        await listener.send(UserText(f"tell me of {CANARY}"))
        typed = await listener.until(TurnReport)
        texts = [(await answer(parley, path))[1].lower() for path in PATHS]
    assert CANARY in said.transcript
    assert CANARY in typed.reply_text
    for word in CANARY.split():
        assert not any(word in text for text in texts)


async def test_a_turn_that_failed_says_at_which_server_and_nothing_of_the_error() -> None:
    async with AsyncExitStack() as stack:
        script = Script()
        addresses = await serve_asr(stack, script), NOBODY, await serve_tts(stack, script)
        parley = await stack.enter_async_context(gateway(script, addresses))
        listener = await stack.enter_async_context(listening(parley))
        await listener.send(UserText("hello"))
        await listener.until(TurnReport)
        found = await stats(parley)
    [turn] = found["turns"]
    assert (turn["outcome"], turn["failed_hop"], turn["mic_to_speaker_ms"]) == ("failed", "llm", None)
    assert found["percentiles"] == {}


@pytest.mark.parametrize("away", [0, 1, 2])
async def test_a_server_that_is_away_is_told_of_as_away_with_the_reason(away: int) -> None:
    async with AsyncExitStack() as stack:
        addresses = [await each(stack, Script()) for each in (serve_asr, serve_llm, serve_tts)]
        addresses[away] = NOBODY
        parley = await stack.enter_async_context(gateway(Script(), (addresses[0], addresses[1], addresses[2])))
        servers = (await stats(parley))["servers"]
    assert [each["state"] for each in servers] == ["away" if at == away else "serving" for at in range(3)]
    assert servers[away]["address"] == NOBODY
    assert "not available" in servers[away]["reason"]
    assert servers[away]["queue_depth"] is None


class Hanging(status_pb2_grpc.StatusServiceServicer):
    """Takes the question and never answers."""

    async def GetStatus(self, request: object, context: object) -> status_pb2.GetStatusResponse:  # noqa: N802 - the name in the proto
        del request, context
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_server_that_hangs_holds_up_no_answer() -> None:
    async with AsyncExitStack() as stack:
        script = Script(status_seconds=0.5)
        hanging = await serve(
            stack, asr.SERVICE, lambda server: status_pb2_grpc.add_StatusServiceServicer_to_server(Hanging(), server)
        )
        addresses = hanging, await serve_llm(stack, script), await serve_tts(stack, script)
        parley = await stack.enter_async_context(gateway(script, addresses))
        servers = (await stats(parley))["servers"]
    assert (servers[0]["state"], servers[0]["reason"]) == ("away", "no answer within 0.5 s")


async def test_a_server_that_does_not_know_the_question_is_neither_away_nor_well() -> None:
    async with AsyncExitStack() as stack:
        script = Script()
        older = await serve(stack, asr.SERVICE, lambda _server: None)
        addresses = older, await serve_llm(stack, script), await serve_tts(stack, script)
        parley = await stack.enter_async_context(gateway(script, addresses))
        servers = (await stats(parley))["servers"]
    assert [each["state"] for each in servers] == ["unknown", "serving", "serving"]


@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"X-Forwarded-Host": "parley.example"},
        {"X-Forwarded-Proto": "https"},
        {"X-Real-IP": "203.0.113.7"},
        {"Via": "1.1 proxy"},
        {"x-forwarded-for": ""},
        {"CF-Connecting-IP": "203.0.113.7"},
    ],
)
async def test_who_comes_through_a_proxy_is_not_at_this_machine(header: dict[str, str]) -> None:
    async with house() as parley:
        for path in PATHS:
            status, text = await answer(parley, path, **header)
            assert status == 403
            assert "PARLEY_STATUS=open" in text


async def test_a_name_of_the_operators_is_not_this_machine() -> None:
    async with house(Script(allowed_hosts="parley.example,192.168.1.5")) as parley:
        for host, expected in [
            ("parley.example", 403),
            ("192.168.1.5:8080", 403),
            ("localhost", 200),
            ("127.0.0.1:8080", 200),
            ("[::1]:8080", 200),
            ("parley.localhost", 200),
        ]:
            assert [(await answer(parley, path, Host=host))[0] for path in PATHS] == [expected, expected], host


async def test_a_name_that_is_made_to_lead_here_sees_nothing() -> None:
    for setting in ("loopback", "open"):
        async with house(Script(status=setting)) as parley:
            assert [(await answer(parley, path, Host="evil.example"))[0] for path in PATHS] == [421, 421]


async def test_open_lets_everybody_see_it_who_may_open_the_page() -> None:
    async with house(Script(status="open", allowed_hosts="parley.example")) as parley:
        headers = {"Host": "parley.example", "X-Forwarded-For": "203.0.113.7"}
        assert [(await answer(parley, path, **headers))[0] for path in PATHS] == [200, 200]


async def test_off_leaves_no_such_paths() -> None:
    async with house(Script(status="off")) as parley:
        assert [(await answer(parley, path))[0] for path in PATHS] == [404, 404]


@pytest.mark.parametrize(
    ("setting", "header", "told"),
    [
        ("loopback", {}, True),
        ("loopback", {"X-Forwarded-For": "203.0.113.7"}, False),
        ("open", {"X-Forwarded-For": "203.0.113.7"}, True),
        ("off", {}, False),
    ],
)
async def test_the_voice_page_is_told_whether_its_reader_may_see_it(
    setting: str,
    header: dict[str, str],
    told: bool,  # noqa: FBT001 - pytest names it
) -> None:
    async with (
        house(Script(status=setting)) as parley,
        aiohttp.ClientSession() as http,
        http.get(f"{parley.url}/v1/page", headers=header) as response,
    ):
        assert (await response.json())["status"] is told


@pytest.mark.parametrize("remote", ["127.0.0.1", "127.8.0.9", "::1", "::ffff:127.0.0.1"])
def test_callers_from_this_machine_are_let_in(remote: str) -> None:
    asked = make_mocked_request("GET", "/stats", headers={"Host": "localhost"}).clone(remote=remote)
    assert StatusAccess(STATUS_LOOPBACK).allows(asked)


@pytest.mark.parametrize(
    "remote", ["192.168.1.5", "::ffff:192.168.1.5", "fe80::1%lo", "10.0.0.1", "0.0.0.0", "", "unix"]
)
def test_callers_from_elsewhere_are_not_whatever_name_they_ask_for(remote: str) -> None:
    asked = make_mocked_request("GET", "/stats", headers={"Host": "localhost"}).clone(remote=remote)
    assert not StatusAccess(STATUS_LOOPBACK).allows(asked)
    assert StatusAccess(STATUS_OPEN).allows(asked)


async def test_a_model_that_cannot_be_reached_is_a_problem_of_a_server_that_is_there() -> None:
    async with AsyncExitStack() as stack:
        script = Script()
        problem = "the endpoint http://127.0.0.1:9 does not answer"

        class Troubled(Writer):
            discovered = False
            address = "127.0.0.1:9"
            backup_reason = ""

            @property
            def problem(self) -> str:
                return problem

        script.writer = Troubled("")
        addresses = (await serve_asr(stack, script), await serve_llm(stack, script), await serve_tts(stack, script))
        parley = await stack.enter_async_context(gateway(script, addresses))
        server = (await stats(parley))["servers"][1]
    assert (server["state"], server["problem"]) == ("serving", problem)
