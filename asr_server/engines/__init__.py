"""The engines of the ASR server; a model library is imported only by the one that was configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley.errors import Unavailable

if TYPE_CHECKING:
    from asr_server.config import AsrConfig
    from asr_server.engine import Engine
    from asr_server.engines.turn_onnx import OnnxTurnModel


def open_engine(config: AsrConfig) -> Engine:
    """The engine that `config` names, not yet loaded.

    Raises:
        Unavailable: there is no such engine.
    """
    match config.engine:
        case "moonshine":
            from asr_server.engines.moonshine.engine import MoonshineEngine

            return MoonshineEngine()
        case "faster-whisper":
            from asr_server.engines.whisper.faster_whisper import WhisperEngine
            from asr_server.engines.whisper.options import WhisperOptions

            return WhisperEngine(
                WhisperOptions(
                    model=config.model,
                    device=config.device,
                    compute_type=config.compute_type,
                    language=config.language,
                    prompt=config.prompt,
                    context=config.context,
                    words=config.words,
                    download=config.download,
                    threads=config.threads,
                    partial_context_seconds=config.partial_context_seconds,
                    batch=config.batch,
                )
            )
        case "scripted":
            from asr_server.engines.scripted import ScriptedEngine

            texts, delay_seconds = tuple(config.scripted_texts.split("|")), config.scripted_delay_ms / 1000
            return ScriptedEngine(texts, delay_seconds, computes=config.scripted_vad == "silero")
        case name:
            raise Unavailable(f"PARLEY_ASR_ENGINE={name}: there is no such engine")


def open_turn_model(config: AsrConfig) -> OnnxTurnModel | None:
    """The turn model that `config` names, not yet loaded; None: the words alone decide."""
    if not config.turn_model or config.turn_detection == "off":
        return None
    from asr_server.engines.turn_onnx import OnnxTurnModel

    return OnnxTurnModel(config.turn_model)
