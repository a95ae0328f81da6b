"""The seam between the TTS server and what makes its sound, and how a voice is chosen. Knows no engine by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from parley.errors import InvalidInput

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

# Languages that go by two codes.
_ALIASES: Final = {"zh": "cmn", "no": "nb", "iw": "he", "in": "id"}
_SHOWN_CHOICES: Final = 12


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice that can speak."""

    name: str
    """Name by which it is asked for."""
    language: str
    """BCP 47 tag."""
    description: str
    """What a person would want to know of it."""
    sample_rate_hz: int
    """Samples per second that the engine makes."""
    fingerprint: str = field(default="", compare=False)
    """Tells it from another that goes by the same name, in another version perhaps."""
    quick: bool = False
    """Makes a whole sentence so soon that the first piece of a reply need not end within one."""
    natural: bool = False
    """Speaks for its whole language, before voices of its regions that sound less like people."""
    engine: str = ""
    """Name of the engine that speaks, where that is another one than lists it."""


@dataclass(frozen=True, slots=True)
class Audio:
    """The next run of sound."""

    pcm: bytes
    """s16le mono at the voice's rate."""


@dataclass(frozen=True, slots=True)
class WordMark:
    """A word begins to sound. Comes before the audio that holds it."""

    start_char: int
    """First character of the word in the text that is spoken."""
    end_char: int
    """Character after its last one."""
    sample: int
    """Samples from the first one of this text, at the voice's rate."""
    estimated: bool = False
    """Reckoned from the text's length, not told by the engine."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """What an engine is to say in one breath."""

    text: str
    """Plain text; nothing in it is markup."""
    voice: Voice
    """Who says it."""
    speed: float
    """1: as the voice speaks by itself; 0.5 to 2."""


@runtime_checkable
class StandingIn(Protocol):
    """An engine that may speak in the place of another."""

    @property
    def problem(self) -> str:
        """Why it does, a sentence for people; empty: it does not."""
        ...


class Engine(Protocol):
    """An adapter around one speech synthesizer. Its methods block, and are called on workers' threads."""

    @property
    def name(self) -> str:
        """Name for callers and metrics."""
        ...

    @property
    def parallel(self) -> int:
        """How many texts may be spoken at once, each on a thread of its own."""
        ...

    def load(self) -> tuple[Voice, ...]:
        """Make everything ready and warm, once; the voices, the default first.

        Raises:
            Unavailable: something is missing; the message says what to do.
        """
        ...

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        """Sound and marks of a text; ends early, within a chunk, once `stop` is set.

        Raises:
            EngineFailed: the synthesizer failed.
        """
        ...


def choose(voices: Sequence[Voice], name: str, language: str) -> Voice:
    """The voice called `name`, or the first one of `language` (BCP 47, any case), or the first of all.

    Where a land has no voice of its own, another of its language speaks: German for "de-AT". So does a natural one
    where the others are not: American English for "en-GB".

    Raises:
        InvalidInput: there is none; names the field and the choices.
    """
    if name:
        named = [voice for voice in voices if voice.name.lower() == name.lower()]
        if not named:
            raise InvalidInput(f"no voice {name}: {_choices([voice.name for voice in voices])}", field="voice")
        return named[0]
    of_language = speaking(voices, language) or speaking(voices, _tag(language).partition("-")[0])
    if not of_language:
        languages = list(dict.fromkeys(voice.language for voice in voices))
        raise InvalidInput(f"no voice for language {language}: {_choices(languages)}", field="language")
    return of_language[0]


def speaking(voices: Sequence[Voice], language: str) -> tuple[Voice, ...]:
    """The voices of a language and of its regions; all for an empty one.

    The default, which is the first of all, stays first; then come natural ones of any region, then those of exactly
    that language, and of its own land: French of France before that of Belgium.
    """
    wanted = _tag(language)
    if not wanted:
        return tuple(voices)
    base = wanted.partition("-")[0]
    home = (wanted, f"{wanted}-{wanted}")
    found = [voice for voice in voices if _is_within(voice, base if voice.natural else wanted)]
    return tuple(sorted(found, key=lambda each: (each != voices[0], not each.natural, _tag(each.language) not in home)))


def _is_within(voice: Voice, language: str) -> bool:
    return f"{_tag(voice.language)}-".startswith(f"{language}-")


def _tag(language: str) -> str:
    """A language as it is compared."""
    base, dash, region = language.lower().replace("_", "-").partition("-")
    return _ALIASES.get(base, base) + dash + region


def _choices(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN_CHOICES])
    more = len(names) - _SHOWN_CHOICES
    return f"choose one of {shown}" + (f" and {more} more that ListVoices tells" if more > 0 else "")
