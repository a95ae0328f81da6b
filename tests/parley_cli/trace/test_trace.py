"""`parley trace` shows a turn from the gateway's memory or from Tempo, and says in one line why it cannot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from parley.errors import EngineFailed, InvalidInput, NotFound, ParleyError, Unavailable
from parley_cli.trace import show, show_slowest
from tests.end_to_end.test_commands import parley
from tests.end_to_end.whole import free_ports
from tests.parley_cli.gateways import served
from tests.parley_cli.trace.stand_ins import Part, Turns, gateway, remembered, saying, sent, tempo

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.typedefs import Handler


def spoken(root: Part) -> None:
    """The parts of a turn that lasts 600 ms."""
    root.part("gateway", "asr.endpoint", 0).end(300)
    root.part("asr", "asr.transcribe", 300).end(340)
    chat = root.part("llm", "llm.chat", 341)
    chat.part("llm", "execute_tool light", 350).end(400)
    chat.end(700)
    root.part("tts", "tts.synthesize", 420, parley__sentence=1).end(650)
    root.part("gateway", "gateway.encode", 590).end(600)


def failing(root: Part) -> None:
    """The parts of a turn whose model fails."""
    root.part("gateway", "asr.endpoint", 0).end(300)
    root.part("llm", "llm.chat", 300).end(400, EngineFailed("the model is gone"))


def evening(turns: Turns) -> None:
    """Turns of many lengths, in no order."""
    for number, length in enumerate((600, 5000, 700, 300, 2000), start=1):
        turns.turn(number, length, spoken)


async def printed(capsys: pytest.CaptureFixture[str], url: str, store: str, which: str = "last") -> dict[str, Any]:
    """A turn as JSON."""
    assert await show(url, store, which, as_json=True) == 0
    turn = json.loads(capsys.readouterr().out)
    assert isinstance(turn, dict)
    return turn


async def test_the_last_turn_of_the_gateway_is_drawn_with_what_was_waited_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with served(gateway([remembered(2, 1200, model="small", head_start=True), remembered(1, 10)])) as url:
        assert await show(url, "", "last", as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "turn 2 of session s1, spoken, completed, head start used, small"
    assert lines[1] == "  1200 ms from the end of your speech to the first sound"
    endpoint, chat = (next(line for line in lines if name in line) for name in ("asr.endpoint ", "llm.chat "))
    assert endpoint.startswith("  * asr.endpoint")
    assert endpoint.split("|")[2].split() == ["300.0", "300.0", "300.0", "ms"]
    assert chat.split("|")[2].split() == ["900.0", "900.0", "900.0", "ms"]
    assert "█" in chat or "#" in chat
    assert any(line.startswith("  Look first at llm.chat, 900 of 1200 ms: ") for line in lines)
    assert lines[-2] == f"  trace {2:032x}, 100% explained"


@pytest.mark.parametrize("which", ["1", f"{1:032x}", f"{1:032X}", f"{1:016x}"])
async def test_a_turn_is_found_by_its_number_or_its_trace(capsys: pytest.CaptureFixture[str], which: str) -> None:
    turns = [remembered(3, 1), remembered(1, 700, session="s2"), remembered(1, 900, session="s1", trace_id="f" * 32)]
    async with served(gateway(turns)) as url:
        turn = await printed(capsys, url, "", which)
    assert (turn["turn"], turn["session"], turn["mic_to_speaker_ms"]) == (1, "s2", 700)


async def test_a_turn_that_failed_names_the_hop(capsys: pytest.CaptureFixture[str]) -> None:
    told = remembered(1, None, outcome="failed", failed_hop="llm", sampled=False)
    async with served(gateway([told])) as url:
        assert await show(url, "", "last", as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["turn 1 of session s1, spoken, failed", "  the LLM server failed", "  no reply was heard"]
    assert any(line.startswith(" !* llm.chat") for line in lines)
    assert "  Look first at llm.chat, which failed." in lines
    assert lines[-2].startswith(f"  trace {1:032x} (not recorded), ")


@pytest.mark.parametrize("is_old", [False, True], ids=["v2", "v1"])
async def test_a_trace_of_tempo_is_a_tree_of_all_services(capsys: pytest.CaptureFixture[str], *, is_old: bool) -> None:
    spans = await sent(lambda turns: turns.turn(7, 600, spoken))
    async with served(tempo(spans, is_old=is_old)) as url:
        assert await show("http://nowhere.invalid", url, spans[0].span.trace_id.hex(), as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "turn 7 of session s1, spoken, completed"
    rows = {line[4:31].strip(): line for line in lines if "|" in line}
    assert [line[4:31].rstrip() for line in lines if "|" in line] == [
        "asr.endpoint",
        "asr.transcribe",
        "llm.chat",
        "  execute_tool light",
        "tts.synthesize",
        "gateway.encode",
    ]
    assert rows["llm.chat"].split("|")[2].split() == ["359.0", "309.0", "29.0", "ms"]
    assert rows["execute_tool light"].split("|")[2].split() == ["50.0", "50.0", "50.0", "ms"]
    assert [rows[name].split("|")[0].split()[-1] for name in ("asr.transcribe", "tts.synthesize")] == ["asr", "tts"]
    assert any(line.startswith("  Look first at asr.endpoint, 300 of 600 ms") for line in lines)


async def test_an_error_stands_on_the_hop_that_failed(capsys: pytest.CaptureFixture[str]) -> None:
    spans = await sent(lambda turns: turns.turn(1, 400, failing))
    async with served(tempo(spans)) as url:
        assert await show("", url, "last", as_json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    (place,) = (place for place, line in enumerate(lines) if line.startswith(" !* llm.chat"))
    assert lines[place + 1].strip() == "parley.errors.EngineFailed: the model is gone"
    assert "  no reply was heard" in lines
    assert "  Look first at llm.chat, which failed: parley.errors.EngineFailed: the model is gone" in lines


async def test_a_failure_that_no_span_tells_of_is_looked_for_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    async with served(gateway([remembered(1, None, outcome="failed", failed_hop="tts")])) as url:
        turn = await printed(capsys, url, "")
    assert turn["advice"] == "Look first at what the TTS server logged, since it failed."


async def test_a_turn_that_another_endpoint_saved_is_judged_by_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    def saved(root: Part) -> None:
        root.part("llm", "chat a", 0).end(500, EngineFailed("gone"))
        root.part("llm", "chat b", 500).end(590)
        root.part("gateway", "gateway.encode", 590).end(600)

    async with served(tempo(await sent(lambda turns: turns.turn(1, 600, saved)))) as url:
        turn = await printed(capsys, "", url)
    assert turn["advice"].startswith("Look first at chat a, 500 of 600 ms: the model was waited for")


async def test_scripts_get_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    spans = await sent(lambda turns: turns.turn(1, 600, spoken))
    async with served(tempo(spans)) as url:
        turn = await printed(capsys, "", url)
    assert turn["trace_id"] == spans[0].span.trace_id.hex()
    steps = turn["critical_path"]
    assert sum(step["duration_ms"] for step in steps) == pytest.approx(600)
    assert [step["name"] for step in steps][-3:] == ["llm.chat", "tts.synthesize", "gateway.encode"]
    own = {span["name"]: span["self_ms"] for span in turn["spans"]}
    assert (own["llm.chat"], own["execute_tool light"]) == (309, 50)
    assert turn["advice"].startswith("Look first at asr.endpoint")
    assert 0.9 < turn["explained"] < 1


@pytest.mark.parametrize(("told", "read"), [("dropped", "dropped"), ("used", "used"), ("none", ""), (True, "used")])
async def test_what_became_of_a_head_start_is_told(
    capsys: pytest.CaptureFixture[str], *, told: str | bool, read: str
) -> None:
    def begun(root: Part) -> None:
        root.span.set_attribute("parley.head_start", told)

    async with served(tempo(await sent(lambda turns: turns.turn(1, 10, begun)))) as url:
        turn = await printed(capsys, "", url)
    assert turn["head_start"] == read


async def test_words_that_a_store_has_are_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def telling(root: Part) -> None:
        root.part("llm", "llm.chat", 0, parley__pii__text="my secret", parley__queue_ms=1).end(10)

    spans = await sent(lambda turns: turns.turn(1, 10, telling))
    async with served(tempo(spans)) as url:
        turn = await printed(capsys, "", url)
    assert "secret" not in json.dumps(turn)
    assert {"parley.queue_ms": 1} in [span["attributes"] for span in turn["spans"]]


async def test_the_newest_turn_of_a_number_is_searched_in_tempo(capsys: pytest.CaptureFixture[str]) -> None:
    def day(turns: Turns) -> None:
        for number in (1, 2, 1, 3):
            turns.turn(number, 600, spoken)

    spans = await sent(day)
    roots = [each.span for each in spans if each.span.name == "parley.turn"]
    async with served(tempo(spans)) as url:
        assert (await printed(capsys, "", url))["trace_id"] == roots[3].trace_id.hex()
        assert (await printed(capsys, "", url, "1"))["trace_id"] == roots[2].trace_id.hex()
        with pytest.raises(NotFound, match=f"Tempo at {url} has no turn 9 of the last day"):
            await show("", url, "9", as_json=True)


@pytest.mark.parametrize("source", ["gateway", "tempo"])
async def test_the_slowest_turns_come_first(capsys: pytest.CaptureFixture[str], source: str) -> None:
    if source == "tempo":
        routes = tempo(await sent(evening))
    else:
        lengths = (600, 5000, None, 300, 2000)
        routes = gateway([remembered(number, length) for number, length in enumerate(lengths, start=1)])
    async with served(routes) as url:
        asked = ("", url) if source == "tempo" else (url, "")
        assert await show_slowest(*asked, 2, as_json=False) == 0
        head, *lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in (head, *lines)] == ["ms", "5000", "2000"]
        assert [line.split()[3] for line in lines] == ["s1/2", "s1/5"]
        assert await show_slowest(*asked, 99, as_json=True) == 0
    turns = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [turn["mic_to_speaker_ms"] for turn in turns] == [
        5000,
        2000,
        *([700] if source == "tempo" else []),
        600,
        300,
    ]


async def test_the_slowest_are_found_behind_more_turns_than_a_search_gives(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parley_cli.trace.tempo._ROOM", 3)

    def day(turns: Turns) -> None:
        for number in range(1, 13):
            turns.turn(number, 100 * number, lambda _: None)

    async with served(tempo(await sent(day))) as url:
        assert await show_slowest("", url, 1, as_json=True) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["turn"] == 12


async def test_where_nothing_was_heard_there_is_no_slowest(capsys: pytest.CaptureFixture[str]) -> None:
    async with served(gateway([remembered(1, None)])) as url:
        assert await show_slowest(url, "", 3, as_json=False) == 1
    assert capsys.readouterr().err == "No turn whose reply was heard is known there.\n"


@pytest.mark.parametrize(
    ("routes", "kind", "said"),
    [
        (gateway([]), NotFound, "no turn has ended yet at {url}: hold one, for instance with parley talk"),
        (gateway([remembered(1, 5)]), NotFound, "no turn 7 among the last 1 of the gateway at {url}; a trace store"),
        ({"/stats": saying("not you", 403)}, Unavailable, "does not tell it to this machine: PARLEY_STATUS=open"),
        ({}, Unavailable, "has no /stats: PARLEY_STATUS=off hides it"),
        ({"/stats": saying("<html>hello</html>")}, InvalidInput, "is not the gateway: no JSON, but '<html>hello"),
        ({"/stats": saying('{"turns": 3}')}, Unavailable, "is not the gateway: its /stats has no turns"),
        ({"/stats": saying("a\nb", 500)}, Unavailable, "the gateway at {url} answers 500: a b"),
    ],
    ids=["empty", "no such turn", "forbidden", "off", "a page", "another API", "broken"],
)
async def test_what_a_gateway_cannot_tell_is_said_in_one_line(
    routes: dict[str, Handler], kind: type[ParleyError], said: str
) -> None:
    async with served(routes) as url:
        with pytest.raises(kind) as raised:
            await show(url, "", "7", as_json=False)
    assert said.format(url=url) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("routes", "kind", "said"),
    [
        (tempo([]), NotFound, "Tempo at {url} has no trace"),
        ({"/api/v2/traces/{id}": saying('{"trace": {}}')}, NotFound, "it comes some seconds after the reply was heard"),
        ({"/api/v2/traces/{id}": saying("too many\nquestions", 429)}, Unavailable, "answers 429: too many questions"),
        ({"/api/v2/traces/{id}": saying("invalid trace id", 400)}, InvalidInput, "refuses the question: invalid trace"),
        ({"/api/v2/traces/{id}": saying("")}, InvalidInput, "is not Tempo: no JSON, but 'nothing at all'"),
        ({"/api/v2/traces/{id}": saying("[" * 99)}, InvalidInput, "is not Tempo: no JSON, but '[[["),
    ],
    ids=["unknown", "not yet", "busy", "refused", "nothing", "deep"],
)
async def test_what_tempo_cannot_tell_is_said_in_one_line(
    routes: dict[str, Handler], kind: type[ParleyError], said: str
) -> None:
    async with served(routes) as url:
        with pytest.raises(kind) as raised:
            await show("", url, "a" * 32, as_json=False)
    assert said.format(url=url) in str(raised.value)
    assert "\n" not in str(raised.value)


async def test_what_tempo_says_of_a_query_is_passed_on() -> None:
    async with served({"/api/search": saying("parse error at line 1", 400)}) as url:
        with pytest.raises(InvalidInput, match="refuses the question: parse error at line 1"):
            await show_slowest("", url, 5, as_json=False)


@pytest.mark.parametrize("ask", [lambda url: (url, ""), lambda url: ("", url)], ids=["gateway", "tempo"])
async def test_who_is_away_is_named_with_what_to_start(ask: Callable[[str], tuple[str, str]]) -> None:
    [port] = free_ports(1)
    with pytest.raises(Unavailable, match=f"does not answer at http://127.0.0.1:{port} .*: start it") as raised:
        await show(*ask(f"http://me:password@127.0.0.1:{port}"), "last", as_json=False)
    assert "password" not in str(raised.value)


@pytest.mark.parametrize("url", ["localhost:3200", "ftp://here", "http://", "http://[::1", "http://here:99999"])
async def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="is no address of Tempo: http://HOST:PORT is one"):
        await show("", url, "last", as_json=False)


@pytest.mark.parametrize("which", ["first", "-1", "1234567", "a" * 33, "0x12", "", "１"])
async def test_what_names_no_turn_is_refused_before_anybody_is_asked(which: str) -> None:
    with pytest.raises(InvalidInput, match="names no turn: last does"):
        await show("http://nowhere.invalid", "", which, as_json=False)


# Commands are started, on machines that may have other work.
@pytest.mark.timeout(180)
async def test_the_variables_say_whom_to_ask_and_the_options_have_the_last_word() -> None:
    async with served(gateway([remembered(5, 1)])) as at_gateway, served(tempo(await sent(evening))) as at_tempo:
        port = at_gateway.rpartition(":")[2]
        for arguments, settings, turn in (
            ((), {"PARLEY_GATEWAY_PORT": port}, 5),
            (("2",), {"PARLEY_TEMPO_URL": at_tempo, "PARLEY_GATEWAY_PORT": port}, 2),
            (("--tempo", at_tempo, "3"), {"PARLEY_GATEWAY_PORT": port}, 3),
            (("--url", at_gateway), {"PARLEY_TEMPO_URL": "http://127.0.0.1:9"}, 5),
        ):
            status, out, errors = await parley("trace", "--json", *arguments, **settings)
            assert (status, errors) == (0, "")
            assert json.loads(out)["turn"] == turn
    status, out, errors = await parley("trace", PARLEY_GATEWAY_PORT=port)
    assert (status, out) == (1, "")
    assert errors.startswith("parley: the gateway does not answer at ")
    assert errors.count("\n") == 1
