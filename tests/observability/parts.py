"""Programs that others have written and these tests start, built from source where no package brings them.

`python tests/observability/parts.py` builds what is missing. Each part lies in a folder of its own, named by its
version, under `PARLEY_PARTS` (default `~/.cache/parley/parts`), outside the repository. A part is there whole or not
at all; what was compiled before a build was broken off is in Go's own cache, so the next one takes it up from there.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
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
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIGURATIONS: Final = Path(__file__).resolve().parents[2] / "deploy" / "observability"
COLLECTOR_VERSION: Final = "0.161.0"
JAEGER_VERSION: Final = "1.76.0"
PROMETHEUS_VERSION: Final = "0.316.0"
"""As a Go module; the program calls itself 3.16.0."""
_JAEGER: Final = "github.com/jaegertracing/jaeger/cmd/jaeger"
_PROMETHEUS: Final = tuple(f"github.com/prometheus/prometheus/cmd/{name}" for name in ("prometheus", "promtool"))
_OLDEST_GO: Final = (1, 26)
_FETCHES_NEWER: Final = (1, 21)
"""From this Go on one fetches the Go that a module asks for, unless `GOTOOLCHAIN` says that it must not."""
_GO_PROXIES: Final = "https://proxy.golang.org,direct"
"""What Go asks for modules where nobody has said otherwise."""
_compiler: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Part:
    """A program, or several that belong together."""

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
    if problem := _problem_with_go():
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


def _fetch_collector(work: Path) -> None:
    """Have the Collector's builder write its sources, and bring the modules that they need."""
    _go("install", f"go.opentelemetry.io/collector/cmd/builder@v{COLLECTOR_VERSION}", folder=work, GOBIN=str(work))
    configuration = (CONFIGURATIONS / "collector" / "builder.yaml").read_text(encoding="utf-8")
    written = work / "builder.yaml"
    written.write_text(configuration.replace("${STACK_COLLECTOR_BUILD}", str(work / "sources")), encoding="utf-8")
    _run(str(work / "builder"), "--config", str(written), "--skip-compilation", folder=work)


def _build_collector(work: Path, target: Path) -> None:
    _compile(".", target / "parley-collector", work / "sources")


def _fetch_jaeger(work: Path) -> None:
    # A replacement in a module's own go.mod counts for that module alone, so it is repeated here.
    _module(work, f"{_JAEGER}@v{JAEGER_VERSION}", replace=("github.com/Shopify/sarama", "v1.33.0"))


def _build_jaeger(work: Path, target: Path) -> None:
    _compile(_JAEGER, target / "jaeger", work)


def _fetch_prometheus(work: Path) -> None:
    for name in _PROMETHEUS:
        _module(work, f"{name}@v{PROMETHEUS_VERSION}")


def _build_prometheus(work: Path, target: Path) -> None:
    for name in _PROMETHEUS:
        _compile(name, target / name.rpartition("/")[2], work)


def _compile(package: str, target: Path, folder: Path) -> None:
    _go("build", "-ldflags", "-s -w", "-o", str(target), package, folder=folder)


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
    environment = {**os.environ, **_go_settings(), **variables}
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"{' '.join(command)} failed in {folder}:\n{finished.stdout}{finished.stderr}")


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


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


PARTS: Final = (
    Part(
        "collector",
        f"{COLLECTOR_VERSION}-{_digest(CONFIGURATIONS / 'collector' / 'builder.yaml')}",
        ("parley-collector",),
        _build_collector,
        _fetch_collector,
    ),
    Part("jaeger", JAEGER_VERSION, ("jaeger",), _build_jaeger, _fetch_jaeger),
    Part(
        "prometheus",
        PROMETHEUS_VERSION,
        ("prometheus", "promtool"),
        _build_prometheus,
        _fetch_prometheus,
        packaged=True,
    ),
)


def main() -> None:
    """Provide every part, and say where it is and how long that took."""
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        for part, folder in zip(PARTS, pool.map(provide, PARTS), strict=True):
            where = "the system's own" if folder is None else str(folder)
            sys.stderr.write(f"{part.name} {part.key}: {where} (after {time.monotonic() - began:.0f} s)\n")


if __name__ == "__main__":
    main()
