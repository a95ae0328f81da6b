"""What is to be fetched of a model, and the fetching of it."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parley.errors import Unavailable
from parley_cli.models.checks import find_faults
from parley_cli.models.fetch import Source, checksum_of, fetch
from parley_cli.models.hub import list_files
from parley_cli.models.listing import size
from parley_cli.models.store import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from tqdm import tqdm

    from parley_cli.models.fetch import Progress
    from parley_cli.models.hub import Hub, Listing
    from parley_cli.models.names import HubFile, Model
    from parley_cli.models.store import Place, Store

    Bar = Callable[[HubFile], AbstractContextManager[Progress]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for one model."""

    record: Record
    """What it should be made of."""
    commit: str
    """As it is now at the hub."""
    files: tuple[HubFile, ...]
    """Those of its files that are not here, or not right."""
    license: str
    """Under which it is given out, as the hub has it; empty: it does not say."""

    @property
    def size_bytes(self) -> int:
        """Length of the files that are to come."""
        return sum(file.size_bytes for file in self.files)


async def list_model(hub: Hub, model: Model) -> Listing:
    """What the hub has of a model's repository.

    Raises:
        ParleyError: the hub cannot be asked, or refuses.
    """
    async with hub.session() as session:
        return await list_files(hub, session, model.repository)


def make_plan(store: Store, model: Model, listing: Listing) -> Plan:
    """See what is here, which is read to its end, and what is not.

    Raises:
        NotFound: the repository has no such model.
    """
    record = Record(model, store.place(model, listing.commit), model.pick(listing.files))
    with bar(f"checking {model}", record.size_bytes) as progress:
        wrong = [fault.file for fault in find_faults(record, progress)]
    lacking = tuple(file for file in wrong if not _linked(record.place, file))
    return Plan(record, listing.commit, lacking, listing.license)


def check_room(plans: Sequence[Plan]) -> None:
    """See whether all that is to come has room on the disk, each folder's disk by itself.

    Raises:
        Unavailable: it has not.
    """
    needed: dict[int, int] = {}
    for plan in plans:
        place = plan.record.place
        folder = next(each for each in (place.root, *place.root.parents) if each.is_dir())
        disk = folder.stat().st_dev
        needed[disk] = needed.get(disk, 0) + sum(_lacking(place, file) for file in plan.files)
        free = shutil.disk_usage(folder).free
        if needed[disk] > free:
            raise Unavailable(
                f"{size(needed[disk])} are to be fetched, and the disk of {place.root} has room for {size(free)}: make "
                f"room, or name another folder in {'HF_HOME' if place.commit else 'PARLEY_TTS_VOICES_DIR'}"
            )


async def carry_out(hub: Hub, store: Store, plan: Plan, bar_for: Bar) -> None:
    """Have all files of a model lie where engines look for them, each as soon as it is whole.

    Raises:
        ParleyError: the hub refuses or goes away, or gave something else than it had promised.
    """
    place = plan.record.place
    # From now on it is known what is missing, should this break off.
    store.write(plan.record)
    async with hub.session() as session:
        source = Source(hub, session, plan.record.model.repository, plan.commit)
        for file in plan.files:
            if not sys.stderr.isatty():
                print(f"fetching {file.path}, {size(file.size_bytes)}", file=sys.stderr, flush=True)
            partial = place.partial(file)
            with bar_for(file) as progress:
                await fetch(source, file, partial, progress)
            partial.replace(place.blob(file))
            place.put(file)
    place.publish()


def bar(description: str, total: int) -> tqdm[object]:
    """A bar on standard error, if somebody looks there."""
    from tqdm import tqdm  # noqa: PLC0415 - it comes with huggingface_hub

    return tqdm(desc=description, total=total, unit="B", unit_scale=True, disable=None, leave=False)


def _lacking(place: Place, file: HubFile) -> int:
    partial = place.partial(file)
    return file.size_bytes - (partial.stat().st_size if partial.is_file() else 0)


def _linked(place: Place, file: HubFile) -> bool:
    """Put a file in its place that is here, but not there; another commit may have the same, or its link was lost."""
    blob = place.blob(file)
    if blob == place.path(file) or not blob.is_file():
        return False
    with bar(f"checking {file.path}", file.size_bytes) as progress:
        right = checksum_of(blob, file, progress) == file.checksum
    if right:
        place.put(file)
    return right
