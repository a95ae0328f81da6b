"""`parley models list`: which models are here, how large, where, and which settings use them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from parley_cli.models.settings import in_use, setting_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from parley_cli.models.names import Model
    from parley_cli.models.store import Record, Store

_STEP: Final = 1_000
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


class State(StrEnum):
    """How much of a model is here."""

    WHOLE = "whole"
    INCOMPLETE = "incomplete"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Row:
    """What is said of a model; its fields are those of `--json`."""

    name: str
    """As it is pulled."""
    state: State
    """How much of it is here, by the lengths of its files."""
    in_use: bool
    """The settings name it."""
    bytes: int = 0
    """Length of all its files together."""
    bytes_here: int = 0
    """Length of those that are here."""
    folder: str = ""
    """Where they are."""
    setting: str = ""
    """Settings with which `parley up` uses it."""


def list_models(store: Store, environment: Mapping[str, str], *, as_json: bool) -> int:
    """Print which models are here, and which are not that the settings of `environment` name."""
    used = in_use(environment)
    records = store.here(used)
    here = {record.model.identity for record in records}
    rows = [_row(record, used) for record in records]
    rows += [Row(str(model), State.MISSING, in_use=True) for model in used if model.identity not in here]
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return 0
    for row in rows:
        _print(row)
    if not rows:
        print("No models are here. Fetch one: parley models pull whisper:small")
    return 0


def size(count: int) -> str:
    """A number of bytes for people."""
    value, unit = float(count), 0
    # 999.5 would be written as the 1000 of the next unit.
    while value >= _STEP - 0.5 and unit < len(_UNITS) - 1:
        value, unit = value / _STEP, unit + 1
    return f"{value:.3g} {_UNITS[unit]}" if value < _STEP else f"{value:.0f} {_UNITS[unit]}"


def _row(record: Record, used: Sequence[Model]) -> Row:
    lacking = record.missing()
    return Row(
        str(record.model),
        State.INCOMPLETE if lacking or record.broken_off else State.WHOLE,
        in_use=record.model.identity in {model.identity for model in used},
        bytes=record.size_bytes,
        bytes_here=record.size_bytes - sum(file.size_bytes for file in lacking),
        folder=str(record.place.folder),
        setting=setting_of(record),
    )


def _print(row: Row) -> None:
    use = ", in use" if row.in_use else ""
    match row.state:
        case State.WHOLE:
            print(f"{row.name}  {size(row.bytes)}{use}\n  {row.folder}\n  {row.setting}")
        case State.INCOMPLETE:
            print(f"{row.name}  incomplete, {size(row.bytes_here)} of {size(row.bytes)}{use}\n  {row.folder}")
            print(f"  parley models pull {row.name}")
        case State.MISSING:
            print(f"{row.name}  missing, and the settings name it\n  parley models pull {row.name}")
