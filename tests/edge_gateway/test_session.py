"""Whole conversations over a real WebSocket, with scripted servers behind real gRPC."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp
import pytest

from llm_server.engine import Role
from parley import asr
from parley.conversation import (
    FRAME_HEADER,
    AudioFormat,
    AudioPacket,
    CancelReply,
    ClientMark,
    Duck,
    Encoding,
    EndUtterance,
    ErrorCode,
    ErrorEvent,
    FlushPlayback,
    MarkKind,
    Outcome,
    ReplyAudioEnd,
    ReplyFinished,
    ReplyStarted,
    ReplyText,
    ReplyWord,
    SessionConfig,
    SessionReady,
    TurnReport,
    TurnTaking,
    TurnTimes,
    UserDiscarded,
    UserPartial,
    UserSpeechStarted,
    UserText,
    UserUtterance,
)
from parley.tts import Pronunciation
from tests.edge_gateway.rig import (
    SILENCE,
    Gateway,
    Listener,
    Script,
    Writer,
    connected,
    gateway,
    house,
    listening,
    serve_asr,
    serve_llm,
    serve_tts,
)
from tts_server.engines.scripted import ScriptedEngine as ScriptedTts

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from tts_server.engine import Audio, SpeechRequest, WordMark

LONG = "Once upon a time there was a very long story. It went on and on. And then it went on some more until the end."


def kinds(listener: Listener) -> list[str]:
    return [type(event).__name__ for event in listener.events]


async def test_a_spoken_question_gets_a_spoken_answer() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.say_something()
        report = await listener.until(TurnReport)
    assert report.transcript == "what time is it"
    assert report.reply_text == report.heard == "It is late. Good night."
    assert report.outcome is Outcome.COMPLETED
    assert report.mic_to_speaker_ms is not None
    said = kinds(listener)
    assert said.index("UserSpeechStarted") < said.index("UserUtterance") < said.index("ReplyStarted")
    assert said.index("ReplyStarted") < said.index("ReplyAudioEnd") < said.index("ReplyFinished")
    text = "".join(event.text for event in listener.events if isinstance(event, ReplyText))
    assert text == "It is late. Good night."
    words = [event for event in listener.events if isinstance(event, ReplyWord)]
    assert [text[word.first_character : word.end_character] for word in words] == text.split()


FIXED = asr.Endpointing(eager_silence_ms=0, finished_silence_ms=300, patient_silence_ms=300, patience_limit_ms=300)


async def test_a_report_says_at_which_sample_of_the_session_its_turn_was_taken_to_be_over() -> None:
    async with house() as parley, listening(parley, SessionConfig(endpointing=FIXED)) as listener:
        for lost_packets in (0, 0, 4):
            listener.lose(lost_packets)
            await listener.speak(0.2, SILENCE)
            await listener.speak(0.8)
            fell_silent = listener.sent_samples
            await listener.speak(0.8, SILENCE)
            report = await listener.until(TurnReport)
            assert report.decided_sample is not None
            # The codec is 7 ms late, the detector is taken to hold on for 43 ms and looks every 32 ms.
            assert -600 <= report.decided_sample - fell_silent - 4_800 <= 32 * 16
        await listener.send(UserText("good night"))
        assert (await listener.until(TurnReport)).decided_sample is None


async def test_the_waterfall_comes_as_soon_as_the_reply_is_heard_and_again_when_it_is_over() -> None:
    script = Script(writer=Writer(LONG), character_seconds=0.03)
    config = SessionConfig(reports_playback=True)
    async with house(script) as parley, listening(parley, config) as listener:
        await listener.say_something()
        reply = await listener.until(ReplyStarted)
        await listener.until(AudioPacket)
        for kind in (MarkKind.FIRST_PACKET, MarkKind.FIRST_RENDERED, MarkKind.FIRST_AUDIBLE):
            await listener.send(ClientMark(kind, reply.reply, round(time.time() * 1e6)))
        times = await listener.until(TurnTimes)
        assert "ReplyFinished" not in kinds(listener)
        await listener.send(CancelReply())
        await listener.until(FlushPlayback)
        await listener.played(reply.reply, 4_800, final=True)
        report = await listener.until(TurnReport)
    assert times.turn == report.turn == 1
    assert times.reply == report.reply
    assert times.transcript == report.transcript == "what time is it"
    assert times.trace_id == report.trace_id
    assert times.mic_to_speaker_ms == report.mic_to_speaker_ms
    assert {each.name for each in times.waterfall} <= {each.name for each in report.waterfall}
    assert "client.playout" in {each.name for each in times.waterfall}


async def test_packets_of_a_reply_are_in_order_and_as_long_as_it_says() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.say_something()
        end = await listener.until(ReplyAudioEnd)
    assert [packet.sequence for packet in listener.packets] == list(range(len(listener.packets)))
    assert [packet.first_sample for packet in listener.packets] == [480 * n for n in range(len(listener.packets))]
    assert end.samples == 480 * len(listener.packets)


async def test_a_reply_is_sent_no_further_ahead_than_agreed() -> None:
    async with house(Script(writer=Writer(LONG), character_seconds=0.05)) as parley, listening(parley) as listener:
        await listener.say_something()
        await listener.until(ReplyStarted)
        began = asyncio.get_running_loop().time()
        while len(listener.packets) < 60:
            await listener.until(AudioPacket)
            ahead = len(listener.packets) * 0.02 - (asyncio.get_running_loop().time() - began)
            assert ahead <= 0.4 + 0.05


async def test_typed_words_are_answered_without_a_microphone() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.send(UserText("  how late is it?  "))
        report = await listener.until(TurnReport)
    assert report.transcript == "how late is it?"
    assert report.heard == "It is late. Good night."
    utterance = next(event for event in listener.events if isinstance(event, UserUtterance))
    assert utterance.typed


async def test_the_assistant_may_speak_first() -> None:
    async with house() as parley, listening(parley, SessionConfig(greeting="Hello there.")) as listener:
        report = await listener.until(TurnReport)
        assert (report.turn, report.heard, report.transcript) == (0, "Hello there.", "")
        await listener.say_something()
        report = await listener.until(TurnReport)
        assert report.turn == 1
    assert [message.role for message in parley.script.writer.asked[-1].messages] == [
        Role.SYSTEM,
        Role.ASSISTANT,
        Role.USER,
    ]


class Told(ScriptedTts):
    """Keeps what it is given to say."""

    def __init__(self) -> None:
        super().__init__(0.0, 0.01)
        self.texts: list[str] = []

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        self.texts.append(request.text)
        return super().speak(request, stop)


async def test_words_are_pronounced_as_the_session_says_and_shown_as_they_were_written() -> None:
    voice = Told()
    words = (Pronunciation(" Worcester", "wooster"),)
    config = SessionConfig(greeting="Welcome to Worcester.", lexicon=words)
    async with house(Script(speaking=voice)) as parley, listening(parley, config) as listener:
        report = await listener.until(TurnReport)
    assert voice.texts == ["Welcome to wooster."]
    assert report.heard == "Welcome to Worcester."
    marked = [event for event in listener.events if isinstance(event, ReplyWord)]
    assert [report.heard[word.first_character : word.end_character] for word in marked] == report.heard.split()


async def test_a_reply_may_come_as_plain_pcm() -> None:
    config = SessionConfig(output=AudioFormat(Encoding.PCM_S16LE, 16_000))
    async with house() as parley, listening(parley, config) as listener:
        await listener.say_something()
        await listener.until(ReplyAudioEnd)
    assert {len(packet.data) for packet in listener.packets} == {640}


async def test_letting_go_of_the_key_ends_the_turn() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.speak(0.8)
        await listener.send(EndUtterance())
        report = await listener.until(TurnReport)
    assert report.transcript == "what time is it"


async def test_a_user_who_goes_on_gets_one_answer_to_everything() -> None:
    script = Script(heard=("turn on the lamp", "turn on the lamp", "and the fan"))
    script.writer = Writer("Done.", delay_seconds=0.8)
    async with house(script) as parley, listening(parley) as listener:
        await listener.say_something()
        await listener.until(UserUtterance)
        await listener.say_something()
        await listener.until(UserUtterance)
        await listener.until(ReplyStarted)
    users = [message.text for message in script.writer.asked[-1].messages if message.role is Role.USER]
    assert len(users) == 1
    assert users[0].startswith("turn on the lamp")


async def test_an_interruption_flushes_and_the_history_holds_what_was_heard() -> None:
    script = Script(heard=("tell me a story", "no wait stop"), writer=Writer(LONG), character_seconds=0.05)
    async with house(script) as parley, listening(parley, SessionConfig(reports_playback=True)) as listener:
        await listener.say_something()
        started = await listener.until(ReplyStarted)
        words: list[ReplyWord] = []
        while len(words) < 6:
            words.append(await listener.until(ReplyWord))
        # Heard to the middle of the fifth word, and the listener says so.
        heard_samples = words[4].first_sample + 100
        while len(listener.packets) * 480 < heard_samples:
            await listener.until(AudioPacket)
        await listener.played(started.reply, heard_samples)
        await listener.speak(0.8)
        await listener.until(Duck)
        flush = await listener.until(FlushPlayback)
        await listener.played(flush.reply, heard_samples, final=True)
        finished = await listener.until(ReplyFinished)
        await listener.speak(1.0, SILENCE)
        await listener.until(UserUtterance)
        await listener.until(ReplyStarted)
    assert finished.outcome is Outcome.INTERRUPTED
    assert finished.heard == "Once upon a time"
    assert finished.unheard == LONG.removeprefix("Once upon a time ")
    (reply,) = [message for message in script.writer.asked[-1].messages if message.role is Role.ASSISTANT]
    assert (reply.text, reply.interrupted) == ("Once upon a time", True)
    assert reply.unheard.startswith("there was")


async def test_packets_put_together_that_are_no_sound_are_told_of_and_hold_up_no_request() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.send(AudioPacket(b"\xff\xff\xff", 0, listener.clock_us(), packets=4))
        await listener.send(UserText("good night"))
        error = await listener.until(ErrorEvent)
        report = await listener.until(TurnReport)
    assert (error.code, error.hop) == (ErrorCode.INVALID_INPUT, "gateway")
    assert report.transcript == "good night"


async def test_a_knock_ducks_and_brings_the_reply_back() -> None:
    script = Script(writer=Writer(LONG), character_seconds=0.05)
    async with house(script) as parley, listening(parley) as listener:
        await listener.say_something()
        await listener.until(ReplyStarted)
        before = listener.sent_samples
        await listener.speak(0.1)
        duck = await listener.until(Duck)
        assert duck.gain_db == -18
        assert duck.decided_sample is not None
        # The codec is 7 ms late, and a window of the detector's, which need not hold much of the voice, has 32 ms.
        assert before < duck.decided_sample <= before + 112 + 2 * 512
        await listener.speak(0.6, SILENCE)
        restored = await listener.until(Duck)
        assert (restored.gain_db, restored.decided_sample) == (0, None)
    assert "FlushPlayback" not in kinds(listener)


async def test_a_cough_that_is_over_does_not_end_the_reply_while_words_are_looked_for_in_it() -> None:
    script = Script(("tell me a story", ""), hearing_delay_seconds=0.5, writer=Writer(LONG), character_seconds=0.05)
    config = SessionConfig(turn_taking=TurnTaking(echo_guard_ms=0))
    async with house(script) as parley, listening(parley, config) as listener:
        await listener.say_something()
        await listener.until(ReplyStarted)
        await listener.speak(0.5)
        assert (await listener.until(Duck)).gain_db == -18
        await listener.speak(0.6, SILENCE)
        assert (await listener.until(Duck)).gain_db == 0
    assert "FlushPlayback" not in kinds(listener)


async def test_the_client_may_stop_a_reply() -> None:
    script = Script(writer=Writer(LONG), character_seconds=0.05)
    async with house(script) as parley, listening(parley) as listener:
        await listener.say_something()
        await listener.until(ReplyStarted)
        await listener.send(CancelReply())
        report = await listener.until(TurnReport)
    assert report.outcome is Outcome.CANCELLED
    assert len(report.heard) < len(LONG)


async def test_a_head_start_is_never_heard_when_the_user_goes_on() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.speak(0.2, SILENCE)
        await listener.speak(0.6)
        await listener.speak(0.28, SILENCE)
        # When the speculative reply is being made, go on speaking.
        while not parley.script.writer.asked:
            await asyncio.sleep(0)
        await listener.speak(0.6)
        await listener.speak(1.0, SILENCE)
        report = await listener.until(TurnReport)
    assert kinds(listener).count("ReplyStarted") == 1
    assert report.head_start
    wasted = parley.telemetry.registry.get_sample_value("parley_head_starts_total", {"outcome": "wasted"})
    assert wasted == 1


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ("this is no JSON", "request"),
        ('{"shout": {}}', "request"),
        ('{"user_text": {"words": "hello"}}', "request"),
        ('{"user_text": {"text": 7}}', "request"),
        ("{}", "request"),
        ('{"user_text": {"text": " "}}', "user_text.text"),
        (b"", "frame"),
        (b"\x01\x00\x00", "frame"),
        (FRAME_HEADER.pack(9, 0, 0, 0, 0) + b"x", "kind"),
        (FRAME_HEADER.pack(1, 0, 0, 0, 0) + bytes(1276), "packet"),
        (FRAME_HEADER.pack(1, 0, 0, 0, 0) + b"\xff" * 40, "packet"),
        ('{"user_text": {"text": "' + "x" * 70_000 + '"}}', "frame"),
        (bytes(20_000), "frame"),
    ],
)
async def test_bad_frames_get_an_error_that_names_the_field_and_the_session_goes_on(
    frame: str | bytes, field: str
) -> None:
    async with house() as parley, listening(parley) as listener:
        if isinstance(frame, str):
            await listener.socket.send_str(frame)
        else:
            await listener.socket.send_bytes(frame)
        error = await listener.until(ErrorEvent)
        assert error.field == field
        assert error.message
        assert not error.ends_session
        await listener.say_something()
        assert (await listener.until(TurnReport)).transcript == "what time is it"


async def test_audio_before_the_configuration_is_refused_and_the_session_lives_on() -> None:
    async with house() as parley, connected(parley) as listener:
        await listener.speak(0.02)
        error = await listener.until(ErrorEvent)
        assert (error.code, error.field) == (ErrorCode.WRONG_STATE, "configure")
        await listener.send(SessionConfig())
        await listener.until(SessionReady)
        await listener.say_something()
        await listener.until(TurnReport)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (SessionConfig(language="tlh"), "config.language"),
        (SessionConfig(voice="nobody"), "configure.voice"),
        (SessionConfig(speed=9.0), "configure.speed"),
        (SessionConfig(input=AudioFormat(Encoding.PCM_S16LE, 44_100)), "configure.input.sample_rate_hz"),
        (SessionConfig(output=AudioFormat(Encoding.OPUS, 16_000)), "configure.output.sample_rate_hz"),
        (SessionConfig(hints=("x",) * 101), "configure.hints"),
        (SessionConfig(lexicon=(Pronunciation("gif", "[[jif]]"),)), "configure.lexicon[0].spoken"),
        (SessionConfig(resume_token="abc"), "configure.resume_token"),
    ],
)
async def test_a_configuration_that_cannot_be_is_refused_and_another_may_follow(
    config: SessionConfig, field: str
) -> None:
    async with house() as parley, connected(parley) as listener:
        await listener.send(config)
        error = await listener.until(ErrorEvent)
        assert error.field == field
        await listener.send(SessionConfig())
        await listener.until(SessionReady)


async def test_the_audio_format_cannot_change_within_a_session() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.send(SessionConfig(output=AudioFormat(Encoding.OPUS, 48_000)))
        assert (await listener.until(ErrorEvent)).code is ErrorCode.WRONG_STATE


async def test_a_full_gateway_says_so_and_when_to_come_again() -> None:
    async with house(Script(max_sessions=1)) as parley, listening(parley), connected(parley) as late:
        error = await late.until(ErrorEvent)
        assert error.code is ErrorCode.OVERLOADED
        assert error.ends_session
        assert error.retry_after_ms > 0
        assert (await late.socket.receive()).type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize(
    ("origin", "status"), [("https://stranger.example", 403), ("https://friend.example", 101), (None, 101)]
)
async def test_pages_of_strangers_may_not_connect(origin: str | None, status: int) -> None:
    async with house() as parley, aiohttp.ClientSession() as http:
        headers = {"Origin": origin} if origin else {}
        try:
            async with http.ws_connect(f"{parley.url}/v1/conversation", headers=headers):
                got = 101
        except aiohttp.WSServerHandshakeError as error:
            got = error.status
    assert got == status


async def test_two_sessions_do_not_disturb_each_other() -> None:
    async with house() as parley, listening(parley) as good, listening(parley) as bad:
        await bad.socket.send_bytes(FRAME_HEADER.pack(1, 0, 0, 0, 0) + b"\xff" * 40)
        await good.say_something()
        assert (await good.until(TurnReport)).outcome is Outcome.COMPLETED
        assert "ErrorEvent" not in kinds(good)


async def test_an_llm_that_is_away_is_named_and_used_again_when_it_is_back() -> None:
    script = Script()
    async with AsyncExitStack() as stack:
        heard, spoken = await serve_asr(stack, script), await serve_tts(stack, script)
        async with AsyncExitStack() as first:
            address = await serve_llm(first, script)
            parley = await stack.enter_async_context(gateway(script, (heard, address, spoken)))
            listener = await stack.enter_async_context(listening(parley))
        await listener.say_something()
        error = await listener.until(ErrorEvent)
        assert (error.hop, error.code, error.retryable) == ("llm", ErrorCode.UNAVAILABLE, True)
        report = await listener.until(TurnReport)
        assert (report.outcome, report.transcript) == (Outcome.FAILED, "what time is it")
        await serve_llm(stack, script, int(address.rpartition(":")[2]))
        assert await answered(listener)


async def test_a_tts_that_is_away_is_named_and_the_text_is_shown_all_the_same() -> None:
    script = Script()
    async with AsyncExitStack() as stack:
        heard, written = await serve_asr(stack, script), await serve_llm(stack, script)
        async with AsyncExitStack() as first:
            address = await serve_tts(first, script)
            parley = await stack.enter_async_context(gateway(script, (heard, written, address)))
            listener = await stack.enter_async_context(listening(parley))
        await listener.say_something()
        error = await listener.until(ErrorEvent)
        assert (error.hop, error.code) == ("tts", ErrorCode.UNAVAILABLE)
        report = await listener.until(TurnReport)
        assert report.outcome is Outcome.FAILED
        assert report.heard == "It is late. Good night."
        assert "".join(event.text for event in listener.events if isinstance(event, ReplyText)) == report.heard
        await serve_tts(stack, script, int(address.rpartition(":")[2]))
        assert await answered(listener)


async def test_what_is_said_while_the_asr_is_away_is_heard_when_it_is_back() -> None:
    script = Script()
    async with AsyncExitStack() as stack:
        written, spoken = await serve_llm(stack, script), await serve_tts(stack, script)
        async with AsyncExitStack() as first:
            address = await serve_asr(first, script)
            parley = await stack.enter_async_context(gateway(script, (address, written, spoken)))
            listener = await stack.enter_async_context(listening(parley))
            await listener.speak(0.4)
            await listener.until(UserSpeechStarted)
        error = await listener.until(ErrorEvent)
        assert (error.hop, error.retryable) == ("asr", True)
        await listener.speak(0.6)
        await listener.speak(1.0, SILENCE)
        await serve_asr(stack, script, int(address.rpartition(":")[2]))
        report = await listener.until(TurnReport)
    assert report.transcript == "what time is it"
    assert report.outcome is Outcome.COMPLETED


async def answered(listener: Listener) -> bool:
    """True when one of the next turns is answered; a channel takes a moment to find a server again."""
    for _ in range(50):
        await listener.say_something()
        if (await listener.until(TurnReport)).outcome is Outcome.COMPLETED:
            return True
    return False


async def test_partials_are_told_and_never_take_back_what_they_call_stable() -> None:
    async with house(Script(heard=("turn on the living room lamp please",))) as parley, listening(parley) as listener:
        await listener.speak(0.2, SILENCE)
        for _ in range(3):
            await listener.speak(0.8)
            await listener.until(UserPartial)
        await listener.speak(1.0, SILENCE)
        await listener.until(TurnReport)
    partials = [event for event in listener.events if isinstance(event, UserPartial)]
    assert len(partials) >= 2
    stable = ""
    for partial in partials:
        assert partial.text.startswith(stable)
        stable = partial.text[: partial.stable_characters]


async def test_noise_is_told_as_discarded_and_gets_no_reply() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.speak(0.3, SILENCE)
        await listener.speak(0.1)
        await listener.speak(0.8, SILENCE)
        await listener.until(UserDiscarded)
    assert "ReplyStarted" not in kinds(listener)


async def test_metrics_count_turns_and_samples() -> None:
    async with house() as parley, listening(parley) as listener:
        await listener.say_something()
        await listener.until(TurnReport)
        text = await fetch(parley, "/metrics")
    assert 'parley_turns_total{outcome="completed"} 1.0' in text
    assert "parley_audio_samples_received_total 38400.0" in text
    assert "parley_turn_mic_to_speaker_seconds_bucket" in text
    assert "# {trace_id=" in text


async def fetch(parley: Gateway, path: str) -> str:
    async with aiohttp.ClientSession() as http, http.get(parley.url + path) as response:
        assert response.status == 200
        return await response.text()
