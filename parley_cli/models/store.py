"""Where the files of models lie on this machine, and the record of what was fetched.

A hub model lies in the hub's cache in the form that every program of the hub knows: `blobs/CHECKSUM`, links to them in
`snapshots/COMMIT/PATH`, and the newest commit in `refs/main`. A voice is two files in the folder of the voices. Beside
either lies a record: the files that belong to it, with the lengths and checksums that the hub gave.
Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from parley.errors import ParleyError
from parley_cli.models.names import WHISPER_SIZES, HubFile, Kind, Model, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_REPOSITORY_FOLDER: Final = "models--"
_SNAPSHOTS: Final = "snapshots"
_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ONNX: Final = ".onnx"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model of one commit lies."""

    root: Path
    """The repository's folder in the hub's cache, or the folder of the voices."""
    commit: str
    """The commit; empty: files lie in `root` itself."""

    @property
    def folder(self) -> Path:
        """What an engine would be given."""
        return self.root / _SNAPSHOTS / self.commit if self.commit else self.root

    def path(self, file: HubFile) -> Path:
        """Where an engine looks for `file`."""
        return self.folder / (file.path if self.commit else PurePosixPath(file.path).name)

    def blob(self, file: HubFile) -> Path:
        """What really holds it."""
        return self.root / "blobs" / file.checksum if self.commit else self.path(file)

    def partial(self, file: HubFile) -> Path:
        """What has come of it so far."""
        return self.blob(file).parent / f"{file.checksum}.parley.incomplete"

    def put(self, file: HubFile) -> None:
        """Let engines find a file whose blob is here."""
        path, blob = self.path(file), self.blob(file)
        if path == blob:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(os.path.relpath(blob, path.parent))

    def publish(self) -> None:
        """Make this commit the one that engines take."""
        if not self.commit:
            return
        reference = _main(self.root)
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(self.commit, encoding="ascii")


@dataclass(frozen=True, slots=True)
class Record:
    """What a model on this machine should be made of."""

    model: Model
    """Which."""
    place: Place
    """Where it is."""
    files: tuple[HubFile, ...]
    """What belongs to it; a checksum is empty where none is known."""
    broken_off: bool = False
    """More belongs to it than was recorded."""

    @property
    def size_bytes(self) -> int:
        """Length of all its files together."""
        return sum(file.size_bytes for file in self.files)

    def missing(self) -> list[HubFile]:
        """Files that are not here, or not as long as they should be."""
        return [file for file in self.files if _length(self.place.path(file)) != file.size_bytes]


@dataclass(frozen=True, slots=True)
class Store:
    """This machine's models."""

    cache: Path
    """The hub's cache."""
    voices: Path
    """Piper's voices."""

    def place(self, model: Model, commit: str) -> Place:
        """Where `model` is to lie."""
        if model.kind is Kind.PIPER:
            return Place(self.voices, "")
        return Place(self.cache / (_REPOSITORY_FOLDER + model.repository.replace("/", "--")), commit)

    def write(self, record: Record) -> None:
        """Keep a record; those of an older commit are replaced."""
        path = self._path(record.model)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "model": str(record.model),
            "commit": record.place.commit,
            "files": [asdict(file) for file in record.files],
        }
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")

    def find(self, model: Model) -> Record | None:
        """What is here of `model`; None if nothing is. What another program fetched has the checksums of its links."""
        main = _read(_main(self.place(model, "").root))
        record = self._read(model)
        # Another program may have gone on to a newer commit; that is the one that engines take.
        if record is not None and (model.kind is Kind.PIPER or not main or main == record.place.commit):
            return record
        if model.kind is Kind.PIPER:
            files = [self.voices / f"{model.name}{suffix}" for suffix in (_ONNX, f"{_ONNX}.json")]
            found = tuple(HubFile(path.name, path.stat().st_size, "") for path in files if path.is_file())
            return Record(model, Place(self.voices, ""), found) if found else None
        place = self.place(model, main)
        linked = tuple(_linked(place.folder)) if main else ()
        if not linked:
            return record
        try:
            return Record(model, place, model.pick(linked))
        except ParleyError:
            # It broke off while that program fetched it.
            return Record(model, place, linked, broken_off=True)

    def here(self, others: Iterable[Model] = ()) -> list[Record]:
        """What was fetched by name, what faster-whisper has by size, each voice, and what there is of `others`."""
        models = [
            *(model for path in self._records() for model in _named(path)),
            *(Model(Kind.PIPER, path.stem) for path in sorted(self.voices.glob(f"*{_ONNX}"))),
            *others,
            *(Model(Kind.WHISPER, size) for size in WHISPER_SIZES),
        ]
        # Of two names for one model, the one that it was fetched by.
        names = {model.identity: model for model in reversed(models)}
        records = (self.find(model) for model in dict.fromkeys(names[each.identity] for each in models))
        return [record for record in records if record is not None]

    def _records(self) -> list[Path]:
        found = (self.cache.glob(f"{_REPOSITORY_FOLDER}*/parley.*.json"), self.voices.glob(".parley.*.json"))
        return [path for paths in found for path in sorted(paths)]

    def _path(self, model: Model) -> Path:
        hidden = "." if model.kind is Kind.PIPER else ""
        return self.place(model, "").root / f"{hidden}parley.{quote(':'.join(model.identity), safe='')}.json"

    def _read(self, model: Model) -> Record | None:
        try:
            content = json.loads(self._path(model).read_text(encoding="utf-8"))
            place = self.place(model, str(content["commit"]))
            return Record(model, place, tuple(HubFile(**file) for file in content["files"]))
        except (OSError, ValueError, KeyError, TypeError):
            # None was written, or not by us.
            return None


def find_store(cache: Path) -> Store:
    """The models of the user whose environment this is."""
    voices = os.environ.get("PARLEY_TTS_VOICES_DIR")
    data = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser()
    return Store(cache, Path(voices).expanduser() if voices else data / "parley" / "voices")


def _main(root: Path) -> Path:
    return root / "refs" / "main"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _named(path: Path) -> Iterator[Model]:
    """The model whose record a file is, if it is one."""
    try:
        yield parse(str(json.loads(path.read_text(encoding="utf-8"))["model"]))
    except (OSError, ValueError, KeyError, TypeError, ParleyError):
        return


def _linked(folder: Path) -> Iterator[HubFile]:
    """Files of a snapshot; the name of what a link leads to is its checksum."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() or path.is_symlink():
            name = path.readlink().name if path.is_symlink() else ""
            size = _length(path)
            yield HubFile(path.relative_to(folder).as_posix(), max(size, 0), name if _CHECKSUM.fullmatch(name) else "")


def _length(path: Path) -> int:
    """Bytes in a file; -1 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
