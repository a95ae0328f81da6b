"""`parley up --pull`: has the models on this machine that a profile names, before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from parley_cli.models.hub import find_hub
from parley_cli.models.machine import find_machine
from parley_cli.models.provision import provision
from parley_cli.models.settings import in_use
from parley_cli.models.store import find_store
from parley_cli.up import llamacpp
from parley_cli.up.profiles import environment_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_HIBARI: Final = "  the voice, hibari (Apache-2.0), came with its package"


def pull(profile: str, environment: Mapping[str, str], *, yes: bool) -> None:
    """Fetch what is not here of the models that `profile` and the user's `environment` name; ask first unless `yes`.

    Raises:
        ParleyError: a package is missing, the hub cannot be asked or refuses, there is no room, or nobody agreed.
    """
    machine = find_machine()
    given = environment_of(profile, environment, machine)
    if given.get(llamacpp.MODEL, "").strip():
        llamacpp.check_installed()
    models = in_use(given)
    if not models:
        print(f"The profile {profile} names no models that would have to be fetched.")
        return
    hub = find_hub()
    notes = [_HIBARI] if given.get("PARLEY_TTS_ENGINE") == "hibari" else []
    provision(hub, find_store(hub.cache), models, why=f", chosen for {machine}", notes=notes, yes=yes)
