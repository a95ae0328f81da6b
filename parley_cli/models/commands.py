"""`parley models pull` and `verify`: what is done, and what is seen of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from typing import TYPE_CHECKING

from parley.errors import NotFound, Unavailable
from parley_cli.models.checks import find_faults
from parley_cli.models.fetch import Source, checksum_of, fetch
from parley_cli.models.hub import list_files
from parley_cli.models.listing import size
from parley_cli.models.names import parse
from parley_cli.models.settings import in_use, setting_of
from parley_cli.models.store import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tqdm import tqdm

    from parley_cli.models.hub import Hub, Listing
    from parley_cli.models.names import HubFile, Model
    from parley_cli.models.store import Place, Store


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
        print("\nStopped. What has come is kept, and the same command goes on from there.", file=sys.stderr)
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
    with _bar(f"checking {record.model}", record.size_bytes) as bar:
        faults = list(find_faults(record, bar))
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
    listing = asyncio.run(_list(hub, model.repository))
    place = store.place(model, listing.commit)
    record = Record(model, place, model.pick(listing.files))
    with _bar(f"checking {model}", record.size_bytes) as bar:
        wrong = [fault.file for fault in find_faults(record, bar)]
    wrong = [file for file in wrong if not _linked(place, file)]
    _check_room(place, wrong)
    # From now on it is known what is missing, should this break off.
    store.write(record)
    asyncio.run(_fetch(hub, model.repository, place, listing.commit, wrong))
    place.publish()
    print(f"{model} is here, {size(record.size_bytes)}: {place.folder}")
    print(f"  to use it: {setting_of(record)}", flush=True)


def _linked(place: Place, file: HubFile) -> bool:
    """Put a file in its place that is here, but not there; another commit may have the same, or its link was lost."""
    blob = place.blob(file)
    if blob == place.path(file) or not blob.is_file():
        return False
    with _bar(f"checking {file.path}", file.size_bytes) as bar:
        right = checksum_of(blob, file, bar) == file.checksum
    if right:
        place.put(file)
    return right


async def _list(hub: Hub, repository: str) -> Listing:
    async with hub.session() as session:
        return await list_files(hub, session, repository)


async def _fetch(hub: Hub, repository: str, place: Place, commit: str, files: Sequence[HubFile]) -> None:
    """Have files lie where engines look for them, each as soon as it is whole."""
    async with hub.session() as session:
        source = Source(hub, session, repository, commit)
        for file in files:
            if not sys.stderr.isatty():
                print(f"fetching {file.path}, {size(file.size_bytes)}", file=sys.stderr, flush=True)
            partial = place.partial(file)
            with _bar(file.path, file.size_bytes) as bar:
                await fetch(source, file, partial, bar)
            partial.replace(place.blob(file))
            place.put(file)


def _check_room(place: Place, files: Sequence[HubFile]) -> None:
    """See whether all that is to come has room on the disk.

    Raises:
        Unavailable: it has not.
    """
    parts = [(file, place.partial(file)) for file in files]
    needed = sum(file.size_bytes - (partial.stat().st_size if partial.is_file() else 0) for file, partial in parts)
    folder = next(each for each in (place.root, *place.root.parents) if each.is_dir())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Unavailable(
            f"{size(needed)} are to be fetched, and the disk of {place.root} has room for {size(free)}: make room, or "
            f"name another folder in {'HF_HOME' if place.commit else 'PARLEY_TTS_VOICES_DIR'}"
        )


def _bar(description: str, total: int) -> tqdm[object]:
    """A bar on standard error, if somebody looks there."""
    from tqdm import tqdm  # noqa: PLC0415 - it comes with huggingface_hub

    return tqdm(desc=description, total=total, unit="B", unit_scale=True, disable=None, leave=False)
