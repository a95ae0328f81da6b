"""eSpeak NG through its C interface, from the library that the espeakng-loader wheel carries.

The library is global to the process and not thread-safe: a lock keeps texts apart, whoever asks from whichever thread.
It speaks a sentence in a few milliseconds and calls back about every 60 ms of sound; a callback that returns 1 ends it.
The library is GPL-3.0-or-later, and is loaded in the TTS server's process only. C interface: `speak_lib.h` of
eSpeak NG 1.52.
"""

from __future__ import annotations

import ctypes
import importlib.util
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final

from parley.audio import SAMPLE_BYTES
from parley.errors import EngineFailed, Unavailable, not_installed
from tts_server.engine import Audio, SpeechRequest, Voice, WordMark
from tts_server.text.marks import mark_words

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

_SYNCHRONOUS: Final = 2
_BUFFER_MS: Final = 60
_DONT_EXIT: Final = 0x8000
_UTF8: Final = 1
_RATE_PARAMETER: Final = 1
_WORD_GAP_PARAMETER: Final = 7
# Understood best: over 18 replies Moonshine has 7 % of words wrong at 180 words a minute with 10 ms between words,
# 15 % at 165 words without a gap.
_WORDS_A_MINUTE: Final = 180
_WORD_GAP_TENS_OF_MS: Final = 1
_EVENT_END: Final = 0
_EVENT_WORD: Final = 1
_DEFAULT_VOICE: Final = "en-us"
# The library's state is the process's, not an engine's.
_LOCK: Final = Lock()
_VARIANTS: Final = (("+f3", "female"), ("+m3", "male"))


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


class _VoiceInfo(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(slots=True)
class _Collected:
    """What the callback collects while a text is spoken."""

    stop: threading.Event
    sound: list[Audio] = field(default_factory=list)
    marks: list[WordMark] = field(default_factory=list)


class EspeakEngine:
    """The library, loaded once."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._library: ctypes.CDLL | None = None
        self._rate_hz = 0
        self._collected: _Collected | None = None
        # The file of each voice: not every language is one's name.
        self._files: dict[str, str] = {}
        # Kept for as long as the library may call it.
        self._callback = _Callback(self._collect)

    @property
    def name(self) -> str:
        """Name of the engine."""
        return "espeak"

    @property
    def parallel(self) -> int:
        """The library has one state for the whole process."""
        return 1

    def load(self) -> tuple[Voice, ...]:
        """Load the library and its data, and speak a word to warm up.

        Raises:
            Unavailable: the package is not installed, or its library cannot be used here.
        """
        if importlib.util.find_spec("espeakng_loader") is None:
            raise not_installed("espeakng-loader", "tts")
        import espeakng_loader

        try:
            library = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise Unavailable(f"libespeak-ng cannot be loaded: {error}") from error
        data = Path(espeakng_loader.get_data_path())
        self._rate_hz = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, str(data).encode(), _DONT_EXIT)
        if self._rate_hz <= 0:
            raise Unavailable("libespeak-ng cannot find its data: install espeakng-loader anew")
        library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceInfo))
        self._library = library
        return self._voices(library, data)

    def speak(self, request: SpeechRequest, stop: threading.Event) -> Iterator[Audio | WordMark]:
        """Sound and marks of a text.

        Raises:
            EngineFailed: the library refused.
        """
        with _LOCK:
            events = self._spoken(request, stop)
        yield from events

    def _spoken(self, request: SpeechRequest, stop: threading.Event) -> list[Audio | WordMark]:
        """All of a text; nobody else may use the library meanwhile."""
        library = self._library
        assert library is not None  # noqa: S101 - the server loads before it serves
        if library.espeak_SetVoiceByName(self._files[request.voice.name].encode()):
            raise EngineFailed(f"espeak cannot use the voice {request.voice.name}")
        library.espeak_SetParameter(_RATE_PARAMETER, round(_WORDS_A_MINUTE * request.speed), 0)
        library.espeak_SetParameter(_WORD_GAP_PARAMETER, _WORD_GAP_TENS_OF_MS, 0)
        # Another engine in this process would get the sound that is ours.
        library.espeak_SetSynthCallback(self._callback)
        text = request.text.replace("\0", " ").encode()
        self._collected = _Collected(stop)
        try:
            failed = library.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF8, None, None)
            if failed and not stop.is_set():
                raise EngineFailed(f"espeak failed with {failed}")
            sound, marks = self._collected.sound, self._collected.marks
        finally:
            self._collected = None
        samples = sum(len(audio.pcm) for audio in sound) // SAMPLE_BYTES
        return [*mark_words(request.text, marks, samples), *sound]

    def _collect(self, samples: ctypes.Array[ctypes.c_short], count: int, events: ctypes.Array[_Event]) -> int:
        """The library's callback; 1 ends the synthesis."""
        collected = self._collected
        if collected is None or collected.stop.is_set():
            return 1
        place = 0
        while events[place].type != _EVENT_END:
            event = events[place]
            if event.type == _EVENT_WORD:
                start = event.text_position - 1
                sample = event.audio_position * self._rate_hz // 1000
                collected.marks.append(WordMark(start, start + event.length, sample))
            place += 1
        if samples and count:
            collected.sound.append(Audio(ctypes.string_at(samples, count * 2)))
        return 0

    def _voices(self, library: ctypes.CDLL, data: Path) -> tuple[Voice, ...]:
        # A second load finds them anew.
        self._files.clear()
        found: list[Voice] = []
        made_by = f"{version('espeakng-loader')} {_WORDS_A_MINUTE} {_WORD_GAP_TENS_OF_MS}"
        voices = library.espeak_ListVoices(None)
        place = 0
        while voices[place]:
            info = voices[place].contents
            language = info.languages[1:].split(b"\0")[0].decode()
            file = info.identifier.decode()
            if language not in self._files and _has_dictionary(data, file, language):
                self._files[language] = file
                found.append(Voice(language, language, info.name.decode().strip(), self._rate_hz, made_by, quick=True))
            place += 1
        found.sort(key=lambda voice: voice.name != _DEFAULT_VOICE)
        default = found[0]
        variants = [
            replace(default, name=f"{default.name}{suffix}", description=f"{default.description}, {what}")
            for suffix, what in _VARIANTS
        ]
        self._files |= {f"{default.name}{suffix}": f"{self._files[default.name]}{suffix}" for suffix, _ in _VARIANTS}
        return (default, *variants, *found[1:])


def _has_dictionary(data: Path, file: str, language: str) -> bool:
    """False for a voice that would say nothing: the package leaves some dictionaries out."""
    lines = (data / "lang" / file).read_text("utf-8", errors="replace").splitlines()
    named = [line.split()[1] for line in lines if line.startswith("dictionary ")]
    return (data / f"{[*named, language.partition('-')[0]][0]}_dict").is_file()
