"""The engines of the LLM server; a model library is imported only by the one that was configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley.errors import Unavailable

if TYPE_CHECKING:
    from llm_server.config import LlmConfig
    from llm_server.engine import Engine


def open_engine(config: LlmConfig) -> Engine:
    """The engine that `config` names, not yet loaded.

    Raises:
        Unavailable: there is no such engine.
    """
    match config.engine:
        case "rules":
            from llm_server.engines.rules import RulesEngine

            return RulesEngine()
        case "openai":
            return _endpoints(config)
        case "ctranslate2":
            return _ctranslate2(config)
        case "vllm":
            from llm_server.engines.vllm import VllmConfig, VllmEngine

            model = VllmConfig(config.model, config.context_tokens, config.vllm_args)
            return VllmEngine(model, config.patience_seconds)
        case "scripted":
            from llm_server.engines.scripted import ScriptedEngine

            return ScriptedEngine(
                config.scripted_text, config.scripted_delay_ms / 1000, config.scripted_delta_ms / 1000
            )
        case name:
            raise Unavailable(f"PARLEY_LLM_ENGINE={name}: there is no such engine")


def _endpoints(config: LlmConfig) -> Engine:
    from llm_server.engines.endpoints import EndpointsEngine
    from llm_server.engines.endpoints.addresses import endpoints, split_rules
    from llm_server.engines.endpoints.endpoint import Endpoint
    from llm_server.engines.rules import RulesEngine
    from llm_server.engines.stand_in import StandIn

    first = Endpoint(config.url, config.model, config.api_key)
    others, has_rules = split_rules(config.fallbacks)
    engine = EndpointsEngine(
        endpoints(first, others, config.fallback_api_keys),
        config.first_token_seconds,
        config.patience_seconds,
        warm_up=config.warm_up,
    )
    return StandIn(engine, RulesEngine(), discovered=config.discovered) if has_rules else engine


def _ctranslate2(config: LlmConfig) -> Engine:
    from llm_server.engines.ctranslate2 import CTranslate2Engine, ModelConfig

    model = ModelConfig(
        config.model,
        config.device,
        config.compute_type,
        config.threads,
        config.parallel,
        config.context_tokens,
        config.seed,
    )
    return CTranslate2Engine(model, config.patience_seconds)
