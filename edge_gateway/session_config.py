"""What a session agrees on with its listener: checks a configuration, fills in its defaults, names what is wrong.

Knows nothing of how a session is held.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from edge_gateway.turn_taking.events import TurnPolicy
from parley.conversation import AudioFormat, Encoding, SessionConfig
from parley.errors import InvalidInput, TooLarge, WrongState
from parley.llm import read_tools
from parley.tts import check_lexicon

if TYPE_CHECKING:
    from parley.tts import Voice

DEFAULT_INPUT: Final = AudioFormat(Encoding.OPUS, 48_000)
DEFAULT_OUTPUT: Final = AudioFormat(Encoding.OPUS, 24_000)
DEFAULT_LANGUAGE: Final = "en"

_PCM_RATES: Final = (16_000, 24_000, 48_000)
_INPUT_RATES: Final = {Encoding.OPUS: (48_000, 24_000, 16_000, 12_000, 8_000), Encoding.PCM_S16LE: _PCM_RATES}
_OUTPUT_RATES: Final = {Encoding.OPUS: (24_000, 48_000), Encoding.PCM_S16LE: _PCM_RATES}
_MOST_HINTS: Final = 100
_LONGEST_HINT: Final = 200
_MOST_CHARACTERS: Final = 8_000
SPEEDS: Final = (0.5, 2.0)
"""How fast a voice may speak."""


def agree(given: SessionConfig, before: SessionConfig | None) -> SessionConfig:
    """The configuration with its defaults; `before` is the session's earlier one.

    Raises:
        InvalidInput: a value that is not taken; the error names the field.
        TooLarge: a text or list over its limit.
        WrongState: a change of what cannot change within a session.
    """
    audio_in = _format(given.input, DEFAULT_INPUT, _INPUT_RATES, "configure.input")
    audio_out = _format(given.output, DEFAULT_OUTPUT, _OUTPUT_RATES, "configure.output")
    language = given.language or (before.language if before is not None else "")
    if before is not None and (audio_in, audio_out) != (before.input, before.output):
        raise WrongState("the audio formats of a session cannot change: open another session", field="configure.input")
    if before is not None and language != before.language:
        raise WrongState("the language of a session cannot change: open another one", field="configure.language")
    if given.resume_token:
        raise InvalidInput("this gateway does not offer to resume sessions", field="configure.resume_token")
    if given.speed is not None and not SPEEDS[0] <= given.speed <= SPEEDS[1]:
        raise InvalidInput(f"speed {given.speed:g}: from {SPEEDS[0]} to {SPEEDS[1]}", field="configure.speed")
    if len(given.hints) > _MOST_HINTS:
        raise TooLarge(f"{len(given.hints)} hints: at most {_MOST_HINTS}", field="configure.hints")
    longest = max(map(len, given.hints), default=0)
    if longest > _LONGEST_HINT:
        raise TooLarge(f"a hint of {longest} characters: at most {_LONGEST_HINT}", field="configure.hints")
    for name, text in (("instructions", given.instructions), ("greeting", given.greeting)):
        if len(text) > _MOST_CHARACTERS:
            raise TooLarge(f"{name} of {len(text)} characters: at most {_MOST_CHARACTERS}", field=f"configure.{name}")
    read_tools(given.tools, "configure.tools")
    lexicon = check_lexicon(given.lexicon, "configure.lexicon")
    return replace(given, input=audio_in, output=audio_out, language=language, lexicon=lexicon)


def spoken(language: str) -> str:
    """A language that is settled: empty for one that the recogniser is to find out."""
    return "" if language.lower() == "auto" else language


def check_voice(name: str, voices: tuple[Voice, ...]) -> None:
    """See whether a voice is there.

    Raises:
        InvalidInput: it is not; the error names some that are.
    """
    names = [voice.name for voice in voices]
    if name and name not in names:
        some = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")  # noqa: PLR2004 - as many as are read
        raise InvalidInput(f"voice {name!r} is not known; there are {some}", field="configure.voice")


def check_text(text: str) -> str:
    """Typed words without the space around them.

    Raises:
        InvalidInput: there are none.
        TooLarge: there are too many.
    """
    if not text.strip():
        raise InvalidInput("user_text without words", field="user_text.text")
    if len(text) > _MOST_CHARACTERS:
        raise TooLarge(f"{len(text)} characters: at most {_MOST_CHARACTERS}", field="user_text.text")
    return text.strip()


def policy_of(config: SessionConfig, language: str) -> TurnPolicy:
    """The policy that a session asks for, with the defaults for what it leaves out; `language` is spoken in it."""
    given, default = config.turn_taking, TurnPolicy(language=language or DEFAULT_LANGUAGE)
    if given is None:
        return default

    def seconds(milliseconds: int | None, otherwise: float) -> float:
        return otherwise if milliseconds is None else milliseconds / 1000

    return replace(
        default,
        interruptible=default.interruptible if given.interruptible is None else given.interruptible,
        interrupt_voiced_seconds=seconds(given.interrupt_voiced_ms, default.interrupt_voiced_seconds),
        interrupt_words=given.interrupt_words or default.interrupt_words,
        false_interruption_seconds=seconds(given.false_interruption_ms, default.false_interruption_seconds),
        head_start=default.head_start if given.head_start is None else given.head_start,
        echo_guard_seconds=seconds(given.echo_guard_ms, default.echo_guard_seconds),
    )


def _format(
    given: AudioFormat | None, default: AudioFormat, rates: dict[Encoding, tuple[int, ...]], field: str
) -> AudioFormat:
    encoding = given.encoding if given and given.encoding is not Encoding.UNSPECIFIED else default.encoding
    rate = (given.sample_rate_hz if given else 0) or default.sample_rate_hz
    if rate not in rates[encoding]:
        wanted = ", ".join(str(each) for each in rates[encoding])
        raise InvalidInput(f"{encoding.name} at {rate} Hz: taken at {wanted}", field=f"{field}.sample_rate_hz")
    return AudioFormat(encoding, rate)
