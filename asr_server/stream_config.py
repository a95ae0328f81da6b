"""What a stream asks for, and whether this server can serve it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from asr_server.endpointing.config import EndpointingConfig
from asr_server.engine import RATE_HZ
from parley import asr
from parley.errors import InvalidInput, WrongState

if TYPE_CHECKING:
    from asr_server.engine import Engine

_MOST_HINTS: Final = 100
_LONGEST_HINT: Final = 200
_LAST_SAMPLE: Final = 2**53
_LAST_TURN: Final = 2**31


def agreed(first: asr.Request | None, engine: Engine) -> asr.Config:
    """The first request of a stream as a configuration that `engine` can serve.

    Raises:
        InvalidInput: it is none, or asks for what there is not; names the field.
    """
    if not isinstance(first, asr.Config):
        raise InvalidInput("the first request must be the configuration", field="config")
    if first.sample_rate_hz != RATE_HZ:
        raise InvalidInput(
            f"sample_rate_hz {first.sample_rate_hz}: only {RATE_HZ} is taken", field="config.sample_rate_hz"
        )
    if not 0 <= first.first_sample <= _LAST_SAMPLE or first.first_turn > _LAST_TURN:
        raise InvalidInput("first_sample or first_turn is out of range", field="config.first_sample")
    _check_hints(first.hints)
    EndpointingConfig.of(first.endpointing)
    return replace(first, language=_language(first.language, engine))


def checked_update(config: asr.Config, update: asr.Config) -> asr.Config:
    """A later configuration, if it changes only what a stream can change.

    Raises:
        WrongState: it changes something else.
        InvalidInput: its endpointing or its hints cannot be.
    """
    if update.sample_rate_hz != config.sample_rate_hz:
        raise WrongState("the sample rate of a stream cannot change", field="config.sample_rate_hz")
    if update.language and not update.language.casefold().startswith(config.language.casefold()):
        raise WrongState("the language of a stream cannot change", field="config.language")
    _check_hints(update.hints)
    EndpointingConfig.of(update.endpointing)
    return update


def _check_hints(hints: tuple[str, ...]) -> None:
    if len(hints) > _MOST_HINTS:
        raise InvalidInput(f"{len(hints)} hints: at most {_MOST_HINTS}", field="config.hints")
    longest = max(map(len, hints), default=0)
    if longest > _LONGEST_HINT:
        raise InvalidInput(f"a hint of {longest} characters: at most {_LONGEST_HINT}", field="config.hints")


def _language(asked: str, engine: Engine) -> str:
    """The engine's language for what was asked; "en-GB" is served by "en"."""
    known = engine.languages
    if not asked:
        return known[0]
    for language in known:
        if asked.casefold() == language.casefold() or asked.casefold().startswith(f"{language.casefold()}-"):
            return language
    raise InvalidInput(f"language {asked!r}: {engine.name} has {', '.join(known)}", field="config.language")
