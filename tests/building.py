"""Programs and models that others have made and tests use, fetched, and built from source where no package brings them.

Each part lies in a folder of its own, named by its version, under `PARLEY_PARTS` (default `~/.cache/parley/parts`),
outside the repository. A part is there whole or not at all; what was compiled before a build was broken off is in Go's
own cache, so the next one takes it up from there. Which parts there are is in `parts.py` of those who start them.
"""

from __future__ import annotations

import fcntl
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_OLDEST_GO: Final = (1, 26)
_FETCHES_NEWER: Final = (1, 21)
"""From this Go on one fetches the Go that a module asks for, unless `GOTOOLCHAIN` says that it must not."""
_GO_PROXIES: Final = "https://proxy.golang.org,direct"
"""What Go asks for modules where nobody has said otherwise."""
_compiler: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Part:
    """A program, or several files that belong together."""

    name: str
    key: str
    """What it is built from: another key is another build."""
    programs: tuple[str, ...]
    build: Callable[[Path, Path], None]
    """Builds in the first folder, where an earlier attempt may have left things; the programs go into the second."""
    fetch: Callable[[Path], None] = lambda _: None
    """Brings what it is built from into the first folder; other parts may do so at the same time."""
    packaged: bool = False
    """Those of the system's package manager do, where there are any."""
    compiled: bool = True
    """With Go; otherwise it is only fetched and unpacked."""


def find(name: str, parts: Sequence[Part], command: str) -> Path:
    """Where a program of these parts is; it must have been built, which `command` does."""
    part = next(part for part in parts if name in part.programs)
    if part.packaged and (found := shutil.which(name)):
        return Path(found)
    path = _folder(part) / name
    if not path.exists():
        raise FileNotFoundError(f"{path}: {name} is not built yet; `{command}` builds it")
    return path


def provide_all(parts: Sequence[Part]) -> None:
    """Provide every part, and say where it is and how long that took."""
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        for part, folder in zip(parts, pool.map(provide, parts), strict=True):
            where = "the system's own" if folder is None else str(folder)
            sys.stderr.write(f"{part.name} {part.key}: {where} (after {time.monotonic() - began:.0f} s)\n")


def provide(part: Part) -> Path | None:
    """Build a part unless it is there; gives its folder, or None where the system's package does."""
    if part.packaged and all(shutil.which(name) for name in part.programs):
        return None
    target = _folder(part)
    if target.exists():
        return target
    if part.compiled and (problem := _problem_with_go()):
        raise FileNotFoundError(f"{part.name} is built with Go 1.26 or newer, and {problem}: get one from go.dev/dl")
    work = target.with_name(f"{target.name}.build")
    work.mkdir(parents=True, exist_ok=True)
    with _alone(target.with_name(f"{target.name}.lock")):
        if target.exists():
            return target
        fresh = Path(tempfile.mkdtemp(dir=target.parent))
        try:
            part.fetch(work)
            # Two compilers at once would compile what the parts have in common twice.
            with _compiler:
                part.build(work, fresh)
            fresh.chmod(0o755)
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(work)
    return target


def compile_program(package: str, target: Path, folder: Path) -> None:
    go("build", "-ldflags", "-s -w", "-o", str(target), package, folder=folder)


def module(work: Path, *packages: str, replace: Mapping[str, str] = MappingProxyType({})) -> None:
    """Make `work` a module that needs these packages, with the versions of everything below them that they name.

    Modules in `replace` have the version that stands there, whatever the packages say.
    """
    if not (work / "go.mod").exists():
        go("mod", "init", "parley.example/part", folder=work)
    for name, version in replace.items():
        go("mod", "edit", f"-replace={name}={name}@{version}", folder=work)
    go("get", "-tool", *packages, folder=work)


def go(*arguments: str, folder: Path, **variables: str) -> str:
    return run("go", *arguments, folder=folder, **variables)


def run(*command: str, folder: Path, **variables: str) -> str:
    """Run a command with what Go is to know; gives what it writes.

    Raises:
        RuntimeError: it failed; with all that it said.
    """
    environment = {**os.environ, **_go_settings(), **variables}
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"{' '.join(command)} failed in {folder}:\n{finished.stdout}{finished.stderr}")
    return finished.stdout


@functools.cache
def _go_settings() -> dict[str, str]:
    """Without cgo a program needs no C compiler, and with the same flags all parts share what Go has compiled."""
    flags = f"{os.environ.get('GOFLAGS', '')} -trimpath".strip()
    # A compiler's own collector of garbage costs a sixth of its time, and memory is there.
    settings = {"CGO_ENABLED": "0", "GOFLAGS": flags, "GOGC": os.environ.get("GOGC", "400")}
    # What the proxy does not have is then missing at once; Go's default asks version control hosts, and may wait long.
    if "GOPROXY" not in os.environ and _of_go("GOPROXY") == _GO_PROXIES:
        settings["GOPROXY"] = _GO_PROXIES.removesuffix(",direct")
    return settings


def _problem_with_go() -> str:
    """Why the `go` that is here cannot build the parts; empty: it can, perhaps with a newer one that it fetches."""
    if shutil.which("go") is None:
        return "there is no `go`"
    version = tuple(int(each) for each in re.findall(r"[0-9]+", _of_go("GOVERSION"))[:2])
    fetches = version >= _FETCHES_NEWER and _of_go("GOTOOLCHAIN") != "local"
    return "" if fetches or version >= _OLDEST_GO else f"this one is {'.'.join(map(str, version))}"


def _of_go(variable: str) -> str:
    return subprocess.run(["go", "env", variable], capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock for as long as the block lasts: two clones may build the same part."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _folder(part: Part) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(os.environ.get("PARLEY_PARTS") or cache / "parley" / "parts")
    return root / f"{part.name}-{part.key}"
