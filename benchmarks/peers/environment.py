"""Where Pipecat runs: `python -m benchmarks.peers.environment` installs it, from hashes in `locks/peers.txt`.

Its packages are not ours, so they get an environment of their own, beside the other parts that are fetched once
(`tests.building`), in a folder that is named by the lock and the Python.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

from tests.building import Part, find, provide_all

_LOCK: Final = Path(__file__).resolve().parents[2] / "locks" / "peers.txt"
_PYTHON: Final = "bin/python"


def python() -> Path:
    """The Python that has Pipecat; it must have been installed."""
    return find(_PYTHON, (_PEERS,), "make bench-peers")


def is_installed() -> bool:
    """Whether it has been."""
    try:
        python()
    except FileNotFoundError:
        return False
    return True


def version() -> str:
    """Of Pipecat, as it is locked."""
    [line] = [line for line in _LOCK.read_text(encoding="utf-8").splitlines() if line.startswith("pipecat-ai")]
    return line.partition("==")[2].split()[0]


def _install(_: Path, target: Path) -> None:
    venv.create(target, with_pip=True)
    # docopt, for a command line that nobody calls here, has no wheel; so it is not in the lock, and none is looked up.
    options = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "--only-binary", ":all:")
    command = (str(target / _PYTHON), "-m", "pip", "install", *options, "--requirement", str(_LOCK))
    subprocess.run(command, check=True)


def _key() -> str:
    return f"{hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]}-{sys.implementation.cache_tag}"


_PEERS: Final = Part("peers", _key(), (_PYTHON,), _install, compiled=False)


if __name__ == "__main__":
    provide_all((_PEERS,))
