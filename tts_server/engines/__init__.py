"""The engines of the TTS server; a speech library is imported only by the one that was configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley.errors import Unavailable

if TYPE_CHECKING:
    from tts_server.config import TtsConfig
    from tts_server.engine import Engine


def open_engine(config: TtsConfig) -> Engine:
    """The engine that `config` names, not yet loaded.

    Raises:
        Unavailable: there is no such engine.
    """
    ratio = config.compression_ratio
    match config.engine:
        case "espeak":
            return _espeak(ratio)
        case "hibari":
            from tts_server.engines.fallback import FallbackEngine
            from tts_server.engines.hibari.engine import HibariEngine

            espeak = _espeak(ratio)
            return FallbackEngine(HibariEngine(espeak, ratio), espeak)
        case "piper":
            from tts_server.engines.levelled import LevelledEngine
            from tts_server.engines.piper import PiperEngine
            from tts_server.engines.piper_voices import PiperOptions

            return LevelledEngine(PiperEngine(PiperOptions(config.voices_dir, config.voice, config.device)), ratio)
        case "scripted":
            from tts_server.engines.scripted import ScriptedEngine

            return ScriptedEngine(config.scripted_delay_ms / 1000, config.scripted_character_ms / 1000)
        case name:
            raise Unavailable(f"PARLEY_TTS_ENGINE={name}: there is no such engine")


def _espeak(ratio: float) -> Engine:
    from tts_server.engines.espeak import EspeakEngine
    from tts_server.engines.levelled import LevelledEngine

    return LevelledEngine(EspeakEngine(), ratio)


def default_voice(config: TtsConfig) -> str:
    """The default voice by its name, which `config` may give as a path where the engine's voices are files."""
    if config.engine != "piper":
        return config.voice
    from tts_server.engines.piper_voices import name_of

    return name_of(config.voice)
