"""An ASR server that is slow, breaks off, or breaks on a certain sound: what was said is not lost."""

from __future__ import annotations

import threading
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from asr_server.engines.scripted import ScriptedEngine, ScriptedRecognizer
from parley import asr
from parley.conversation import (
    AssistantActivity,
    AudioFormat,
    AudioPacket,
    Duck,
    Encoding,
    ErrorCode,
    ErrorEvent,
    Outcome,
    Recovered,
    SessionConfig,
    TurnReport,
    TurnTaking,
    UserSpeechStarted,
    UserUtterance,
    pack_mic,
)
from tests.edge_gateway.own_clock import OwnClock
from tests.edge_gateway.rig import (
    PATIENCE_SECONDS,
    SILENCE,
    TONE,
    Listener,
    Script,
    Writer,
    gateway,
    house,
    listening,
    serve_asr,
    serve_llm,
    serve_tts,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asr_server.engine import Transcript

QUIET: Final = (np.frombuffer(TONE, dtype="<i2") // 4).astype("<i2").tobytes()


class Recording(ScriptedEngine):
    """Keeps how much of what it was given was loud, and how often that changed its sign; breaks on what is too loud."""

    def __init__(self, *texts: str, breaks_at: float = 2.0) -> None:
        super().__init__(texts, 0.0)
        self.breaks_at = breaks_at
        self.loud_seconds = 0.0
        self.turns_of_sign = 0

    def recognizer(self, language: str, hints: tuple[str, ...]) -> ScriptedRecognizer:
        engine, texts = self, self._texts

        class Recognizer(ScriptedRecognizer):
            def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
                if float(np.abs(audio).max()) > engine.breaks_at:
                    raise RuntimeError("this sound cannot be taken")
                engine.loud_seconds = float(np.sum(np.abs(audio) > 0.01)) / 16_000
                engine.turns_of_sign = int(np.sum(np.diff(np.signbit(audio[np.abs(audio) > 0.01]))))
                return super().transcribe(audio, final=final)

        return Recognizer(texts, 0.0)


def errors(listener: Listener) -> list[ErrorEvent]:
    return [event for event in listener.events if isinstance(event, ErrorEvent)]


class Slow(ScriptedEngine):
    """Answers when it is let."""

    def __init__(self, *texts: str) -> None:
        super().__init__(texts, 0.0)
        self.may_answer = threading.Event()

    def recognizer(self, language: str, hints: tuple[str, ...]) -> ScriptedRecognizer:
        may_answer, texts = self.may_answer, self._texts

        class Recognizer(ScriptedRecognizer):
            def transcribe(self, audio: NDArray[np.float32], *, final: bool) -> Transcript:
                assert may_answer.wait(PATIENCE_SECONDS)
                return super().transcribe(audio, final=final)

        return Recognizer(texts, 0.0)


async def test_a_recogniser_that_takes_nearly_four_seconds_answers_without_an_error() -> None:
    clock, engine = OwnClock(), Slow("what time is it")
    async with house(Script(hearing=engine)) as parley, listening(parley) as listener:
        await listener.speak(0.2, SILENCE)
        # Too short for a look before the pause, which would take as long again.
        await listener.speak(0.4)
        for _ in range(38):
            await listener.speak(0.1, SILENCE)
            await clock.advance(0.1)
        engine.may_answer.set()
        report = await listener.until(TurnReport)
    assert (report.transcript, report.outcome) == ("what time is it", Outcome.COMPLETED)
    assert not errors(listener)


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
async def test_pcm_of_any_rate_is_heard_again_after_the_asr_server_broke_off(rate_hz: int) -> None:
    script = Script(hearing=(engine := Recording("what time is it")))
    tone = (np.sin(np.arange(rate_hz // 50) * 2 * np.pi * 200 / rate_hz) * 12_000).astype("<i2").tobytes()
    sequence = 0

    async def send(listener: Listener, seconds: float, sound: bytes) -> None:
        nonlocal sequence
        for _ in range(round(seconds / 0.02)):
            packet = AudioPacket(sound, sequence, round(time.time() * 1e6))
            await listener.socket.send_bytes(pack_mic(packet, Encoding.PCM_S16LE))
            sequence += 1

    async with AsyncExitStack() as stack:
        written, spoken = await serve_llm(stack, script), await serve_tts(stack, script)
        config = SessionConfig(input=AudioFormat(Encoding.PCM_S16LE, rate_hz))
        async with AsyncExitStack() as first:
            address = await serve_asr(first, script)
            parley = await stack.enter_async_context(gateway(script, (address, written, spoken)))
            listener = await stack.enter_async_context(listening(parley, config))
            await send(listener, 0.5, bytes(len(tone)))
            await send(listener, 0.5, tone)
            await listener.until(UserSpeechStarted)
        assert (await listener.until(ErrorEvent)).hop == "asr"
        await send(listener, 0.5, tone)
        await serve_asr(stack, script, int(address.rpartition(":")[2]))
        await send(listener, 1.4, bytes(len(tone)))
        report = await listener.until(TurnReport)
    assert (report.turn, report.transcript, report.outcome) == (1, "what time is it", Outcome.COMPLETED)
    # The words are those of the whole turn, and nothing of it was heard twice.
    assert engine.loud_seconds == pytest.approx(1.0, abs=0.06)
    assert engine.turns_of_sign == pytest.approx(2 * 200, abs=20)
    assert len(errors(listener)) == 1
    assert [event.hop for event in listener.events if isinstance(event, Recovered)] == ["asr"]


async def test_a_sound_on_which_the_recogniser_breaks_is_given_up_and_the_next_turn_is_heard() -> None:
    engine = Recording("what time is it", breaks_at=0.3)
    async with house(Script(hearing=engine)) as parley, listening(parley) as listener:
        await listener.say_something()
        # Whoever spoke is told that nobody has understood them.
        lost = await listener.until(ErrorEvent, lambda error: error.code is ErrorCode.AUDIO_LOST)
        for turn in (1, 2):
            await listener.speak(0.2, SILENCE)
            await listener.speak(0.8, QUIET)
            await listener.speak(1.4, SILENCE)
            report = await listener.until(TurnReport)
            assert (report.turn, report.transcript, report.outcome) == (turn, "what time is it", Outcome.COMPLETED)
    assert lost.hop == "asr"
    assert not lost.ends_session


async def test_an_answer_is_not_held_back_for_a_sound_on_which_the_recogniser_breaks() -> None:
    engine = Recording("what time is it", breaks_at=0.3)
    script = Script(hearing=engine, writer=Writer("It is late.", 0.6))
    config = SessionConfig(turn_taking=TurnTaking(head_start=False))
    async with house(script) as parley, listening(parley, config) as listener:
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.8, QUIET)
        await listener.speak(1.4, SILENCE)
        await listener.until(UserUtterance)
        await listener.speak(0.8)
        await listener.speak(1.4, SILENCE)
        report = await listener.until(TurnReport)
    assert (report.turn, report.outcome, report.heard) == (1, Outcome.COMPLETED, "It is late.")


async def test_an_answer_does_not_wait_for_an_asr_server_that_is_away() -> None:
    script = Script(writer=Writer("It is late.", 0.6))
    config = SessionConfig(turn_taking=TurnTaking(head_start=False))
    async with AsyncExitStack() as stack:
        written, spoken = await serve_llm(stack, script), await serve_tts(stack, script)
        async with AsyncExitStack() as first:
            address = await serve_asr(first, script)
            parley = await stack.enter_async_context(gateway(script, (address, written, spoken)))
            listener = await stack.enter_async_context(listening(parley, config))
            await listener.say_something()
            await listener.until(UserUtterance)
            await listener.speak(0.4)
            await listener.until(UserSpeechStarted)
        report = await listener.until(TurnReport)
    assert (report.turn, report.outcome, report.heard) == (1, Outcome.COMPLETED, "It is late.")


async def test_sound_that_is_given_up_takes_what_was_known_of_its_voice_with_it() -> None:
    engine = Recording("what time is it", breaks_at=0.3)
    writer = Writer("It is late, and this is a long reply that goes on and on.")
    script = Script(hearing=engine, writer=writer, character_seconds=0.04)
    async with house(script) as parley, listening(parley) as listener:
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.8, QUIET)
        await listener.speak(1.4, SILENCE)
        await listener.until(AssistantActivity, lambda event: event.state is asr.Assistant.SPEAKING)
        # Its echo, which the duck makes quieter; the recogniser breaks on it.
        await listener.speak(0.16, SILENCE)
        await listener.speak(0.16)
        await listener.until(Duck, lambda event: event.gain_db < 0)
        await listener.speak(0.04)
        await listener.speak(0.4, (np.frombuffer(TONE, dtype="<i2") // 8).astype("<i2").tobytes())
        await listener.speak(1.4, SILENCE)
        await listener.until(ErrorEvent, lambda error: error.code is ErrorCode.AUDIO_LOST)
        await listener.until(TurnReport)
        writer.say("Fine.")
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.8, QUIET)
        await listener.speak(1.4, SILENCE)
        report = await listener.until(TurnReport)
    assert (report.turn, report.transcript, report.outcome) == (2, "what time is it", Outcome.COMPLETED)
