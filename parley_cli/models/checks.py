"""Files on this machine against what the hub said of them when they were fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from parley_cli.models.fetch import checksum_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from parley_cli.models.fetch import Progress
    from parley_cli.models.names import HubFile
    from parley_cli.models.store import Record


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that is not what it should be."""

    file: HubFile
    """Which."""
    what: str
    """What is wrong with it, the rest of a sentence that begins with its name."""


def find_faults(record: Record, progress: Progress) -> Iterator[Fault]:
    """What is wrong with a model, file by file; every file is read to its end."""
    for file in record.files:
        try:
            what = _fault(record.place.path(file), file, progress)
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
        if what:
            yield Fault(file, what)


def _fault(path: Path, file: HubFile, progress: Progress) -> str:
    if not path.is_file():
        return "is missing"
    if not file.checksum:
        return ""
    if (length := path.stat().st_size) != file.size_bytes:
        change = "was cut off" if length < file.size_bytes else "has grown"
        return f"{change}: it has {length} bytes instead of {file.size_bytes}"
    if checksum_of(path, file, progress) != file.checksum:
        return "is corrupted: its checksum is not the one that the hub has"
    return ""
