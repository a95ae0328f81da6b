"""Fetches all models of a profile in one go: says what comes, how large it is and under which licence, and asks once.

Where all of it is here, nobody is asked: neither the user nor the hub.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from parley.errors import NotFound, Unavailable, WrongState
from parley_cli.models.listing import size
from parley_cli.models.plans import bar, carry_out, check_room, list_model, make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tqdm import tqdm

    from parley_cli.models.hub import Hub
    from parley_cli.models.names import HubFile, Model
    from parley_cli.models.plans import Plan
    from parley_cli.models.store import Store

STOPPED = "\nStopped. What has come is kept, and the same command goes on from there."
"""What is said when Ctrl-C ends a fetch."""

_YES = ("", "y", "yes", "j", "ja", "o", "oui", "s", "sí", "si")


def provision(  # noqa: PLR0913 - what is fetched from where to where, and what is said of it
    hub: Hub, store: Store, models: Sequence[Model], *, why: str, notes: Sequence[str] = (), yes: bool
) -> None:
    """Have `models` on this machine; unless `yes`, the user is asked, and told `why` they were chosen, with `notes`.

    Raises:
        ParleyError: the hub cannot be asked or refuses, there is no room, or nobody agreed.
    """
    missing = [model for model in models if not _is_whole(store, model)]
    if not missing:
        return
    if hub.offline:
        names = ", ".join(map(str, missing))
        raise NotFound(f"{names} would have to be fetched, and HF_HUB_OFFLINE forbids it: unset it, or bring a cache")
    try:
        plans = [make_plan(store, model, asyncio.run(list_model(hub, model))) for model in missing]
        check_room(plans)
        _tell(hub, plans, why)
        print("\n".join(notes), end="\n" if notes else "", flush=True)
        if not yes:
            _ask(plans)
        with bar("", sum(plan.size_bytes for plan in plans)) as whole:
            for plan in plans:
                asyncio.run(carry_out(hub, store, plan, lambda file: _part_of(whole, file)))
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        raise
    except OSError as error:
        raise Unavailable(f"{error.filename or hub.cache} cannot be written: {error.strerror or error}") from error
    print("All models are here.", flush=True)


def _is_whole(store: Store, model: Model) -> bool:
    record = store.find(model)
    return record is not None and not record.broken_off and not record.missing()


def _tell(hub: Hub, plans: Sequence[Plan], why: str) -> None:
    print(f"These models come from {hub.endpoint}{why}:")
    rows = [
        (str(plan.record.model), size(plan.size_bytes), plan.license or "the hub names no licence") for plan in plans
    ]
    width = max(len(name) for name, _, _ in rows)
    for name, length, license_ in rows:
        print(f"  {name:{width}}  {length:>7}  {license_}")
    print(f"  {'together':{width}}  {size(sum(plan.size_bytes for plan in plans)):>7}", flush=True)


def _ask(plans: Sequence[Plan]) -> None:
    """See whether the user agrees.

    Raises:
        WrongState: they do not, or nobody is there to be asked.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        total = size(sum(plan.size_bytes for plan in plans))
        raise WrongState(f"{total} are to be fetched, and nobody is there to be asked: add --yes to agree")
    print("Fetch them? [Y/n] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in _YES:
        raise WrongState("nothing was fetched; without --pull Parley starts with what is here")


@contextmanager
def _part_of(whole: tqdm[object], file: HubFile) -> Iterator[tqdm[object]]:
    """The one bar for all files, which says which of them is on its way."""
    whole.set_description(file.path)
    yield whole
