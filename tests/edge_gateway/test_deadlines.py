"""A server that hangs is told apart from one that is away: each hop has its deadline."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from parley.conversation import ErrorCode, ErrorEvent, Outcome, TurnReport
from tests.edge_gateway.rig import Script, Writer, gateway, listening, serve_asr, serve_llm, serve_tts


async def test_an_llm_server_that_gives_no_sign_of_life_is_given_three_seconds() -> None:
    script = Script(writer=Writer("Too late.", delay_seconds=60), progress_seconds=60)
    async with AsyncExitStack() as stack:
        addresses = (await serve_asr(stack, script), await serve_llm(stack, script), await serve_tts(stack, script))
        parley = await stack.enter_async_context(gateway(script, addresses))
        listener = await stack.enter_async_context(listening(parley))
        began = asyncio.get_running_loop().time()
        await listener.say_something()
        error = await listener.until(ErrorEvent)
        assert 2.5 < asyncio.get_running_loop().time() - began < 5
        assert (error.hop, error.code, error.retryable) == ("llm", ErrorCode.DEADLINE, True)
        assert (await listener.until(TurnReport)).outcome is Outcome.FAILED


async def test_a_tts_that_makes_no_sound_is_given_two_seconds_and_the_reply_is_written() -> None:
    script = Script(writer=Writer("Read this."), sound_delay_seconds=60)
    async with AsyncExitStack() as stack:
        addresses = (await serve_asr(stack, script), await serve_llm(stack, script), await serve_tts(stack, script))
        parley = await stack.enter_async_context(gateway(script, addresses))
        listener = await stack.enter_async_context(listening(parley))
        await listener.say_something()
        error = await listener.until(ErrorEvent)
        assert (error.hop, error.code) == ("tts", ErrorCode.DEADLINE)
        assert (await listener.until(TurnReport)).heard == "Read this."
