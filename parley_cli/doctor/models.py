"""Whether the models are on this machine that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley.errors import ParleyError
from parley_cli.doctor.findings import Finding, State
from parley_cli.models.hub import find_hub
from parley_cli.models.settings import in_use
from parley_cli.models.store import find_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from parley_cli.models.names import Model
    from parley_cli.models.store import Store


def look_at_models(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what there is of each model that the settings in `environment` name."""
    models = in_use(environment)
    # Without a name it takes the first that there is.
    any_voice = environment.get("PARLEY_TTS_ENGINE", "") == "piper" and not environment.get("PARLEY_TTS_VOICE", "")
    if not models and not any_voice:
        yield Finding("models", State.FINE, "the settings name none that would have to be fetched")
        return
    try:
        store = find_store(find_hub().cache)
    except ParleyError as error:
        yield Finding("models", State.WRONG, "where models are kept is not known", str(error))
        return
    for model in models:
        yield _look(model, store)
    if any_voice and not any(store.voices.glob("*.onnx")):
        what = f"PARLEY_TTS_ENGINE=piper finds no voice in {store.voices}"
        yield Finding("models", State.WRONG, what, "parley models pull piper:en_US-lessac-medium")


def _look(model: Model, store: Store) -> Finding:
    record = store.find(model)
    fetch = f"parley models pull {model}"
    if record is None:
        return Finding("models", State.WRONG, f"{model} is not on this machine", fetch)
    if record.broken_off or record.missing():
        return Finding("models", State.WRONG, f"{model} is not whole", fetch)
    return Finding("models", State.FINE, f"{model} is in {record.place.folder}")
