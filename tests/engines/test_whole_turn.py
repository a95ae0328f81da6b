"""A spoken turn through faster-whisper, vLLM and Piper, in processes of their own."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from parley.audio import Resampler, to_float32
from parley.conversation import Outcome, TurnReport
from parley_cli.client import EventLog, Talker, converse
from tests.end_to_end.whole import open_house
from tests.engines.test_vllm import ARGUMENTS
from tests.tts_server.piper_voice import make_voice
from tts_server.engine import Audio, SpeechRequest
from tts_server.engines.espeak import EspeakEngine

if TYPE_CHECKING:
    from pathlib import Path

QUESTION = "hello how are you"
ANSWER = "Hello! I am fine, thank you. How can I help you?"


def spoken(text: str) -> bytes:
    """espeak's voice, s16le at 48 kHz, with a second of silence before it."""
    engine = EspeakEngine()
    voices = engine.load()
    voice = next(each for each in voices if each.name == "en-us")
    resampler = Resampler(voice.sample_rate_hz, 48_000)
    sounds = engine.speak(SpeechRequest(text, voice, 1.0), threading.Event())
    pcm = b"".join(resampler.push(each.pcm) for each in sounds if isinstance(each, Audio))
    return bytes(2 * 48_000) + pcm + resampler.finish() + bytes(2 * 4_800)


@pytest.mark.timeout(300)
async def test_a_spoken_question_gets_a_spoken_answer(models_dir: Path, tmp_path: Path) -> None:
    make_voice(tmp_path, "en_US-hum-low")
    settings = {
        "PARLEY_ASR_MODEL": str(models_dir / "whisper-tiny-commands"),
        # In int8 it hears other words on another processor.
        "PARLEY_ASR_COMPUTE_TYPE": "float32",
        # It knows its words from where a voice at full level begins, and hears others a few samples before.
        "PARLEY_ASR_AGC": "false",
        "PARLEY_LLM_ENGINE": "vllm",
        "PARLEY_LLM_MODEL": str(models_dir / "llama-tiny-chat"),
        "PARLEY_LLM_CONTEXT_TOKENS": "1024",
        "PARLEY_LLM_VLLM_ARGS": json.dumps(ARGUMENTS),
        "PARLEY_TTS_VOICES_DIR": str(tmp_path),
        "PARLEY_INSTRUCTIONS": "Be brief.",
    }
    log = EventLog()
    async with open_house("cpu", **settings) as house, converse(house.url) as conversation:
        talker = Talker(conversation, spoken(QUESTION))
        await talker.run(log)
    (report,) = log.of(TurnReport)
    assert report.outcome is Outcome.COMPLETED
    assert report.transcript.lower().strip(".?! ") == QUESTION
    assert report.heard == report.reply_text
    assert report.heard.startswith("Hello!")
    assert report.mic_to_speaker_ms is not None
    heard = to_float32(talker.heard())
    assert float(np.sqrt(np.mean(heard**2))) > 0.01, "the answer cannot be heard"
