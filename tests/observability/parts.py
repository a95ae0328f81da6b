"""The programs of deploy/observability: `python -m tests.observability.parts` builds those that are missing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from tests.building import Part, compile_program, find, go, module, provide_all, run

CONFIGURATIONS: Final = Path(__file__).resolve().parents[2] / "deploy" / "observability"
COLLECTOR_VERSION: Final = "0.161.0"
JAEGER_VERSION: Final = "1.76.0"
PROMETHEUS_VERSION: Final = "0.316.0"
"""As a Go module; the program calls itself 3.16.0."""
_JAEGER: Final = "github.com/jaegertracing/jaeger/cmd/jaeger"
_PROMETHEUS: Final = tuple(f"github.com/prometheus/prometheus/cmd/{name}" for name in ("prometheus", "promtool"))


def program(name: str) -> Path:
    """Where a program is; it must have been built."""
    return find(name, PARTS, "make test-observability")


def _fetch_collector(work: Path) -> None:
    """Have the Collector's builder write its sources, and bring the modules that they need."""
    go("install", f"go.opentelemetry.io/collector/cmd/builder@v{COLLECTOR_VERSION}", folder=work, GOBIN=str(work))
    configuration = (CONFIGURATIONS / "collector" / "builder.yaml").read_text(encoding="utf-8")
    written = work / "builder.yaml"
    written.write_text(configuration.replace("${STACK_COLLECTOR_BUILD}", str(work / "sources")), encoding="utf-8")
    run(str(work / "builder"), "--config", str(written), "--skip-compilation", folder=work)


def _build_collector(work: Path, target: Path) -> None:
    compile_program(".", target / "parley-collector", work / "sources")


def _fetch_jaeger(work: Path) -> None:
    # A replacement in a module's own go.mod counts for that module alone, so it is repeated here.
    module(work, f"{_JAEGER}@v{JAEGER_VERSION}", replace={"github.com/Shopify/sarama": "v1.33.0"})


def _build_jaeger(work: Path, target: Path) -> None:
    compile_program(_JAEGER, target / "jaeger", work)


def _fetch_prometheus(work: Path) -> None:
    module(work, *(f"{name}@v{PROMETHEUS_VERSION}" for name in _PROMETHEUS))


def _build_prometheus(work: Path, target: Path) -> None:
    for name in _PROMETHEUS:
        compile_program(name, target / name.rpartition("/")[2], work)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


PROMETHEUS: Final = Part(
    "prometheus", PROMETHEUS_VERSION, ("prometheus", "promtool"), _build_prometheus, _fetch_prometheus, packaged=True
)
PARTS: Final = (
    Part(
        "collector",
        f"{COLLECTOR_VERSION}-{_digest(CONFIGURATIONS / 'collector' / 'builder.yaml')}",
        ("parley-collector",),
        _build_collector,
        _fetch_collector,
    ),
    Part("jaeger", JAEGER_VERSION, ("jaeger",), _build_jaeger, _fetch_jaeger),
    PROMETHEUS,
)


if __name__ == "__main__":
    provide_all(PARTS)
