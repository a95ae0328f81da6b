"""Programs that others have written and these tests start, built from source where no package brings them.

`python tests/observability/parts.py` builds what is missing. Each part lies in a folder of its own, named by its
version, under `PARLEY_PARTS` (default `~/.cache/parley/parts`), outside the repository. A part is there whole or not
at all; what was compiled before a build was broken off is in Go's own cache, so the next one takes it up from there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIGURATIONS: Final = Path(__file__).resolve().parents[2] / "deploy" / "observability"
COLLECTOR_VERSION: Final = "0.161.0"
JAEGER_VERSION: Final = "1.76.0"
PROMETHEUS_VERSION: Final = "0.316.0"
"""As a Go module; the program calls itself 3.16.0."""


@dataclass(frozen=True, slots=True)
class Part:
    """A program, or several that belong together."""

    name: str
    key: str
    """What it is built from: another key is another build."""
    programs: tuple[str, ...]
    build: Callable[[Path, Path], None]
    """Builds in the first folder, where an earlier attempt may have left things; the programs go into the second."""
    packaged: bool = False
    """Those of the system's package manager do, where there are any."""


def program(name: str) -> Path:
    """Where a program is; it must have been built."""
    part = next(part for part in PARTS if name in part.programs)
    if part.packaged and (found := shutil.which(name)):
        return Path(found)
    path = _folder(part) / name
    if not path.exists():
        raise FileNotFoundError(f"{path}: {name} is not built yet; `make test-observability` builds it")
    return path


def provide(part: Part) -> Path | None:
    """Build a part unless it is there; gives its folder, or None where the system's package does."""
    if part.packaged and all(shutil.which(name) for name in part.programs):
        return None
    target = _folder(part)
    if target.exists():
        return target
    if shutil.which("go") is None:
        raise FileNotFoundError(f"{part.name} is built with Go 1.26 or newer, and no `go` was found: install it")
    work = target.with_name(f"{target.name}.build")
    work.mkdir(parents=True, exist_ok=True)
    with _alone(target.with_name(f"{target.name}.lock")):
        if target.exists():
            return target
        fresh = Path(tempfile.mkdtemp(dir=target.parent))
        try:
            part.build(work, fresh)
            fresh.chmod(0o755)
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(work)
    return target


def _collector(work: Path, target: Path) -> None:
    _go("install", f"go.opentelemetry.io/collector/cmd/builder@v{COLLECTOR_VERSION}", folder=work, GOBIN=str(work))
    configuration = (CONFIGURATIONS / "collector" / "builder.yaml").read_text(encoding="utf-8")
    sources = work / "sources"
    written = work / "builder.yaml"
    written.write_text(configuration.replace("${STACK_COLLECTOR_BUILD}", str(sources)), encoding="utf-8")
    _run(str(work / "builder"), "--config", str(written), "--ldflags", "-s -w", folder=work)
    shutil.move(sources / "parley-collector", target / "parley-collector")


def _jaeger(work: Path, target: Path) -> None:
    package = "github.com/jaegertracing/jaeger/cmd/jaeger"
    # A replacement in a module's own go.mod counts for that module alone, so it is repeated here.
    _module(work, f"{package}@v{JAEGER_VERSION}", replace=("github.com/Shopify/sarama", "v1.33.0"))
    _go("build", "-trimpath", "-ldflags", "-s -w", "-o", str(target / "jaeger"), package, folder=work)


def _prometheus(work: Path, target: Path) -> None:
    for name in ("prometheus", "promtool"):
        package = f"github.com/prometheus/prometheus/cmd/{name}"
        _module(work, f"{package}@v{PROMETHEUS_VERSION}")
        _go("build", "-trimpath", "-ldflags", "-s -w", "-o", str(target / name), package, folder=work)


def _module(work: Path, package: str, replace: tuple[str, str] | None = None) -> None:
    """Make `work` a module that needs `package`, with the versions of everything below it that `package` names."""
    if not (work / "go.mod").exists():
        _go("mod", "init", "parley.example/part", folder=work)
    if replace is not None:
        name, version = replace
        _go("mod", "edit", f"-replace={name}={name}@{version}", folder=work)
    _go("get", "-tool", package, folder=work)


def _go(*arguments: str, folder: Path, **variables: str) -> None:
    _run("go", *arguments, folder=folder, **variables)


def _run(*command: str, folder: Path, **variables: str) -> None:
    # Without cgo a program needs no C compiler, and runs wherever its kernel does.
    environment = {**os.environ, "CGO_ENABLED": "0", **variables}
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"{' '.join(command)} failed in {folder}:\n{finished.stdout}{finished.stderr}")


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


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


PARTS: Final = (
    Part(
        "collector",
        f"{COLLECTOR_VERSION}-{_digest(CONFIGURATIONS / 'collector' / 'builder.yaml')}",
        ("parley-collector",),
        _collector,
    ),
    Part("jaeger", JAEGER_VERSION, ("jaeger",), _jaeger),
    Part("prometheus", PROMETHEUS_VERSION, ("prometheus", "promtool"), _prometheus, packaged=True),
)


def main() -> None:
    """Provide every part, and say where it is and how long that took."""
    for part in PARTS:
        began = time.monotonic()
        folder = provide(part)
        where = "the system's own" if folder is None else str(folder)
        sys.stderr.write(f"{part.name} {part.key}: {where} ({time.monotonic() - began:.0f} s)\n")


if __name__ == "__main__":
    main()
