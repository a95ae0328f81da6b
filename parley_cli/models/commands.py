"""`parley models pull` and `verify`: what is done, and what is seen of it."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

from parley.errors import NotFound, Unavailable
from parley_cli.models.checks import find_faults
from parley_cli.models.listing import size
from parley_cli.models.names import parse
from parley_cli.models.plans import bar, carry_out, check_room, list_model, make_plan
from parley_cli.models.provision import STOPPED
from parley_cli.models.settings import in_use, setting_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parley_cli.models.hub import Hub
    from parley_cli.models.names import Model
    from parley_cli.models.store import Record, Store


def pull(hub: Hub, store: Store, names: Sequence[str], *, offline: bool) -> int:
    """Fetch what is not here of the models, and repair what is wrong; offline only say what that would be.

    Raises:
        ParleyError: a name is none, the hub cannot be asked or refuses, or there is no room.
    """
    models = [parse(name) for name in names]
    if offline or hub.offline:
        return _pull_nothing(store, models)
    try:
        for model in models:
            _pull(hub, store, model)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        raise
    except OSError as error:
        raise Unavailable(f"{error.filename or hub.cache} cannot be written: {error.strerror or error}") from error
    return 0


def verify(store: Store, names: Sequence[str]) -> int:
    """Read the models that are here to the end, and say what is not as the hub had it; 1 if something is not.

    Raises:
        ParleyError: a name is none.
        NotFound: a model that was named is not here.
    """
    models = [parse(name) for name in names]
    records = [store.find(model) or _absent(model) for model in models] if models else store.here(in_use(os.environ))
    results = [_verify(record, named=bool(models)) for record in records]
    if not records:
        print("No models are here.")
    return 0 if all(results) else 1


def _verify(record: Record, *, named: bool) -> bool:
    with bar(f"checking {record.model}", record.size_bytes) as progress:
        faults = list(find_faults(record, progress))
    for fault in faults:
        print(f"{record.model}: {record.place.path(fault.file)} {fault.what}")
    if faults or record.broken_off:
        print(f"{record.model} is not whole: parley models pull {record.model}")
        return False
    known = sum(bool(file.checksum) for file in record.files)
    if known < len(record.files):
        print(f"{record.model} was not fetched with parley models pull, and has no checksums to compare it with")
        return not named
    print(f"{record.model}: all right, {known} {'file' if known == 1 else 'files'}, {size(record.size_bytes)}")
    return True


def _absent(model: Model) -> Record:
    raise NotFound(f"{model} is not on this machine: parley models pull {model}")


def _pull_nothing(store: Store, models: Sequence[Model]) -> int:
    """Say what would have to be fetched; 0 when that is nothing."""
    whole = True
    for model in models:
        record = store.find(model)
        missing = record.missing() if record is not None else []
        if record is None or missing or record.broken_off:
            names = ", ".join(f"{file.path} ({size(file.size_bytes)})" for file in missing) or "all of it"
            print(f"{model} is not whole, and offline nothing is fetched. Missing: {names}", file=sys.stderr)
            whole = False
        else:
            print(f"{model} is here: {record.place.folder}")
    return 0 if whole else 1


def _pull(hub: Hub, store: Store, model: Model) -> None:
    plan = make_plan(store, model, asyncio.run(list_model(hub, model)))
    check_room([plan])
    asyncio.run(carry_out(hub, store, plan, lambda file: bar(file.path, file.size_bytes)))
    record = plan.record
    print(f"{model} is here, {size(record.size_bytes)}: {record.place.folder}")
    print(f"  to use it: {setting_of(record)}", flush=True)
