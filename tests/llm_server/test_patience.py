"""How long models are waited for: endpoints over real sockets, and the reckoning behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from llm_server.engine import Delta, GaveUp, Progress, ProgressKind
from llm_server.engines.endpoints.patience import Patience, Watch
from parley.errors import Unavailable
from tests.llm_server.endpoint_rig import HELLO, begin, event, hang, keeps_alive, pass_by, says, serving, whole, writes

if TYPE_CHECKING:
    from aiohttp import web

    from tests.llm_server.endpoint_rig import Answer

# Silence after which another is asked; what is slow below is slower than that.
FIRST = 0.25
SLOW = 0.5
LIFE = Patience(silence_seconds=1.0, words_seconds=3.0)


def test_a_sign_of_life_puts_off_the_end_of_patience_and_only_words_the_other() -> None:
    watch = Watch(LIFE, 10.0)
    assert watch.until == 11.0
    watch.alive(10.9)
    assert watch.until == 11.9
    assert watch.why == "has given no sign of life for 1 s"
    watch.alive(12.9)
    assert watch.until == 13.0
    assert watch.why == "has been alive for 3 s without writing a word"
    watch.wrote(12.95, Patience(silence_seconds=5.0, words_seconds=9.0))
    assert watch.until == 17.95
    watch.alive(17.0)
    assert watch.until == 21.95


def after(seconds: float, *chunks: bytes) -> Answer:
    """An endpoint that does nothing for so long, as one that loads its model, and then streams these bytes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await pass_by(seconds)
        return await says(*chunks)(request)

    return answer


def slowly(*chunks: bytes) -> Answer:
    """An endpoint that begins at once, and after each of these is silent for longer than another is waited for."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        for chunk in chunks:
            await response.write(chunk)
            await pass_by(SLOW)
        return response

    return answer


def steadily(*chunks: bytes) -> Answer:
    """An endpoint that writes these soon one after the other, but needs longer for all than another would be given."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        for chunk in chunks:
            await response.write(chunk)
            await pass_by(FIRST / 5)
        return response

    return answer


END = event(reason="stop")


def thought(field: str) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': {field: 'Hm. '}}]})}\n\n".encode()


async def test_a_model_that_nobody_stands_in_for_may_load_on_its_first_question() -> None:
    async with serving(after(SLOW, event("Here."), END), first_token_seconds=FIRST) as (engine, [asked]):
        assert (await whole(engine))[0] == "Here."
    assert len(asked.bodies) == 1


async def test_the_last_that_can_be_asked_is_waited_for() -> None:
    late = after(SLOW, event("Here."), END)
    async with serving(hang, late, first_token_seconds=FIRST) as (engine, [_, second]):
        text, finish = await whole(engine)
        assert (text, finish.model) == ("Here.", f"b@{second.host}")


async def test_patience_ends_where_there_is_no_sign_of_life_at_all() -> None:
    async with serving(hang, first_token_seconds=FIRST, patience_seconds=SLOW) as (engine, _):
        with pytest.raises(Unavailable, match=r"a@.* has given no sign of life for 0\.5 s"):
            await whole(engine)


async def test_patience_ends_where_signs_of_life_are_all_there_is() -> None:
    async with serving(keeps_alive, patience_seconds=FIRST) as (engine, _):
        with pytest.raises(Unavailable, match=r"a@.* has been alive for 0\.75 s without writing a word"):
            await whole(engine)


@pytest.mark.parametrize(
    "sign",
    [
        pytest.param(thought("reasoning_content"), id="reasoning_content"),
        pytest.param(thought("reasoning"), id="reasoning"),
        pytest.param(b": OPENROUTER PROCESSING\n\n", id="comment"),
        pytest.param(event(), id="empty piece"),
    ],
)
async def test_who_gives_signs_of_life_is_not_given_up_for_another(sign: bytes) -> None:
    # Twice as many as fill the time of one without a sign, which is long enough for a machine that has other work.
    first_token_seconds = 4 * FIRST
    answer = steadily(*[sign] * 40, event("Here."), END)
    async with serving(answer, writes("Me."), first_token_seconds=first_token_seconds) as (engine, [first, second]):
        text, finish = await whole(engine)
        assert (text, finish.model) == ("Here.", f"a@{first.host}")
    assert not second.bodies


async def test_a_reply_that_has_begun_may_pause_since_nobody_else_can_go_on_with_it() -> None:
    answer = slowly(event("One "), event("two."), END)
    async with serving(answer, writes("Me."), first_token_seconds=FIRST) as (engine, [first, _]):
        text, finish = await whole(engine)
        assert (text, finish.model) == ("One two.", f"a@{first.host}")


async def test_a_reply_that_pauses_for_too_long_has_broken_off() -> None:
    answer = slowly(event("One "), event("two."))
    async with serving(answer, first_token_seconds=FIRST, patience_seconds=FIRST) as (engine, _):
        with pytest.raises(Unavailable, match=r"no sign of life for 0\.25 s"):
            await whole(engine)


async def test_it_is_told_who_is_waited_for_and_that_a_model_thinks() -> None:
    thinks = steadily(
        *[thought("reasoning_content")] * 2, event("One "), thought("reasoning_content"), event("two."), END
    )
    async with serving(hang, thinks, first_token_seconds=FIRST) as (engine, [first, second]):
        events = [each async for each in engine.reply(HELLO)]
    assert events[:-1] == [
        Progress(ProgressKind.WAITING, f"a@{first.host}"),
        GaveUp(f"a@{first.host}", "silent"),
        Progress(ProgressKind.WAITING, f"b@{second.host}"),
        Progress(ProgressKind.REASONING, f"b@{second.host}"),
        Delta("One "),
        Progress(ProgressKind.REASONING, f"b@{second.host}"),
        Delta("two."),
    ]
