"""Who writes the replies: what the user has named, else a model's file that is served here, else who is found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from parley.errors import InvalidInput
from parley_cli.up import llamacpp
from parley_cli.up.discovery import DISCOVER, discover, is_wanted

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """What was chosen."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """Settings beyond those that there are."""
    told: str = ""
    """What the user is told; empty: it is as they have said."""


async def choose(user: Mapping[str, str], environment: Mapping[str, str]) -> LanguageModel:
    """Who writes, by what the `user` has set and the `environment` that a profile has made of it.

    Raises:
        InvalidInput: two settings name two models, or one has a value that cannot be used.
        NotFound: a model's file is not here, and nobody else is.
        Unavailable: a package is not installed.
    """
    wanted = is_wanted(user)
    named = environment.get(llamacpp.MODEL, "").strip()
    if named:
        _check(user)
        path = llamacpp.find_file(named)
        if path is not None:
            return LanguageModel(llamacpp.settings(path), f"Replies are written by {path.name}, on this machine.")
        found = await discover(environment) if wanted else None
        if found is None:
            raise llamacpp.absent(named)
    elif wanted and not environment.get("PARLEY_LLM_ENGINE", "").strip():
        found = await discover(environment)
    else:
        found = None
    if found is None:
        return LanguageModel()
    return LanguageModel(
        {**found.settings(), llamacpp.MODEL: ""},
        f"Replies are written by {found}. Another: PARLEY_LLM_ENGINE=openai with PARLEY_LLM_MODEL and PARLEY_LLM_URL; "
        f"none: {DISCOVER}=off",
    )


def _check(user: Mapping[str, str]) -> None:
    if not user.get(llamacpp.MODEL, "").strip():
        return
    for name in ("PARLEY_LLM_ENGINE", "PARLEY_LLM_URL", "PARLEY_LLM_MODEL", "PARLEY_LLM_ADDRESS"):
        if user.get(name, "").strip():
            raise InvalidInput(f"{llamacpp.MODEL} and {name} are both set: unset one of them", field=name)
