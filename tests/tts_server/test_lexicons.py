"""A deployment's lexicon and a session's, with espeak's real voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from parley import tts
from parley.errors import InvalidInput, ParleyError, Unavailable
from parley.tts import Pronunciation
from serving.config import read
from serving.telemetry import Telemetry, new_provider
from tests.tts_server.test_service import serving, sound, spoken
from tts_server.__main__ import main
from tts_server.cache.store import MemoryStore
from tts_server.config import TtsConfig
from tts_server.engines.espeak import EspeakEngine
from tts_server.lexicons import Lexicons, read_lexicons
from tts_server.text.mapped import Mapped

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

    from tts_server.engine import Audio, SpeechRequest, WordMark

TEXT = "I was in Worcester yesterday."

FILE = """
Worcester = "wooster"
"Node.js" = "node jay ess"  # a word with a dot stands in quotes
router = "rooter"

[de]
router = "ruhter"

[en-US]
router = "rowter"
"""


@pytest.fixture
def lexicons(tmp_path: Path) -> Lexicons:
    file = tmp_path / "words.toml"
    file.write_text(FILE)
    return read_lexicons(str(file))


@pytest.mark.parametrize(
    ("language", "read_as"), [("en-US", "rowter"), ("en-GB", "rooter"), ("de-AT", "ruhter"), ("fr", "rooter")]
)
def test_a_languages_own_words_come_before_those_for_all(lexicons: Lexicons, language: str, read_as: str) -> None:
    assert lexicons.lexicon(language).respell(Mapped.of("router Worcester")).text == f"{read_as} wooster"


def test_a_sessions_words_come_before_the_deployments(lexicons: Lexicons) -> None:
    own = (Pronunciation("ROUTER", "shouter"), Pronunciation("Worcester", "wurster"))
    assert lexicons.lexicon("en-US", own).respell(Mapped.of("ROUTER Worcester")).text == "shouter wurster"


class Told(EspeakEngine):
    """espeak, and what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        self.texts.append(request.text.strip())
        return super().speak(request, stop)


async def test_a_word_is_spoken_as_its_respelling_and_marked_as_it_was_written(lexicons: Lexicons) -> None:
    engine, own = Told(), (Pronunciation("Worcester", "wooster or perhaps worcester"),)
    async with serving(engine, store=MemoryStore(10_000_000)) as server:
        plain = await spoken(server.client, tts.Config(), TEXT)
        # What the cache has of these words sounds otherwise.
        respelt = await spoken(server.client, tts.Config(lexicon=own), TEXT)
    async with serving(engine, lexicons=lexicons) as server:
        deployed = await spoken(server.client, tts.Config(), TEXT)
    assert engine.texts[-3:] == [
        TEXT,
        "I was in wooster or perhaps worcester yesterday.",
        "I was in wooster yesterday.",
    ]
    assert len(sound(respelt)) > 1.3 * len(sound(plain))
    for events in (plain, respelt, deployed):
        marks = [event for event in events if isinstance(event, tts.WordMark)]
        assert [TEXT[mark.first_character : mark.end_character] for mark in marks] == TEXT.split()


async def test_a_session_is_told_which_of_its_words_cannot_be_taken() -> None:
    async with serving(EspeakEngine()) as server:
        with pytest.raises(InvalidInput, match="the pronunciation '' of 'Worcester'") as refused:
            await spoken(server.client, tts.Config(lexicon=(Pronunciation("Worcester", ""),)), TEXT)
    assert refused.value.field == "config.lexicon[0].spoken"


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (None, Unavailable, "cannot be read"),
        ("Worcester", Unavailable, "cannot be read"),
        ('a = "b"\na = "c"', Unavailable, "cannot be read"),
        ("Worcester = 5", InvalidInput, "Worcester is 5, and a word is followed by its respelling in quotes"),
        ('Worcester = "[[x]]"', InvalidInput, r"the pronunciation '\[\[x\]\]' of 'Worcester': it has \[ \]"),
        ('Node.js = "node jay ess"', InvalidInput, "Node is no language such as en or de-AT; a word with a dot"),
        ('[de]\nx = ""', InvalidInput, "the pronunciation '' of 'x': it is empty"),
    ],
)
async def test_a_file_that_cannot_be_used_is_named_at_the_start(
    tmp_path: Path, text: str | None, error: type[ParleyError], said: str
) -> None:
    file = tmp_path / "words.toml"
    if text is not None:
        file.write_text(text)
    config = read(TtsConfig, {"PARLEY_TTS_LEXICON": str(file), "PARLEY_TTS_ENGINE": "scripted"})
    with pytest.raises(error, match=rf"PARLEY_TTS_LEXICON={file}.*{said}"):
        await main(config, Telemetry(new_provider("tts"), CollectorRegistry()))


def test_no_file_is_no_lexicon() -> None:
    assert read_lexicons("").lexicon("en").respell(Mapped.of(TEXT)).text == TEXT
