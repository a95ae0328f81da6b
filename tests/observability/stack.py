"""The real programs of deploy/observability, with exactly its configurations, on ports and in folders of their own."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tests.end_to_end.whole import free_ports
from tests.observability.parts import CONFIGURATIONS, program
from tests.programs import eventually, get_text, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stack:
    """Where a running stack is."""

    otlp: str
    """What Parley is told to send its spans and log lines to."""
    otlp_http: str
    """The same for others, over HTTP."""
    jaeger: str
    prometheus: str
    collector_metrics: str
    span_metrics: str
    targets: Path
    """Prometheus's folder of targets."""


@asynccontextmanager
async def open_stack(folder: Path, **settings: str) -> AsyncIterator[Stack]:
    """Jaeger, the Collector before it and Prometheus, until the block is left; `settings` are the Collector's."""
    names = ("otlp", "http", "health", "own", "spans", "store", "jaeger", "jaeger_grpc", "jaeger_own", "prometheus")
    ports = dict(zip(names, map(str, free_ports(len(names))), strict=True))
    at = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    async with (
        running(folder, "jaeger", *_jaeger_command(), **_jaeger_settings(ports, folder)),
        running(folder, "collector", *_collector_command(), **_collector_settings(ports), **settings),
        running(folder, "prometheus", *_prometheus_command(folder, ports["prometheus"])),
    ):
        for name, url in (
            ("jaeger", f"{at['jaeger']}/api/services"),
            ("collector", at["health"]),
            ("prometheus", f"{at['prometheus']}/-/ready"),
        ):
            await eventually(partial(get_text, url), f"the first answer of {name} ({folder / name}.log says why)")
        targets = folder / "prometheus" / "targets"
        _point(targets / "collector.yml", ("collector", ports["own"]))
        _point(targets / "spans.yml", ("spans", ports["spans"]))
        yield Stack(
            otlp=at["otlp"],
            otlp_http=at["http"],
            jaeger=at["jaeger"],
            prometheus=at["prometheus"],
            collector_metrics=f"{at['own']}/metrics",
            span_metrics=f"{at['spans']}/metrics",
            targets=targets,
        )


def point_at(stack: Stack, ports: dict[str, int]) -> None:
    """Tell Prometheus where the four processes of a Parley are."""
    _point(
        stack.targets / "parley.yml",
        ("gateway", str(ports["PARLEY_GATEWAY_PORT"])),
        *((name, str(ports[f"PARLEY_{name.upper()}_METRICS_PORT"])) for name in ("asr", "llm", "tts")),
    )


def _jaeger_command() -> tuple[str, ...]:
    return (str(program("jaeger")), "--config", str(CONFIGURATIONS / "jaeger" / "jaeger.yaml"))


def _jaeger_settings(ports: dict[str, str], folder: Path) -> dict[str, str]:
    return {
        "STACK_JAEGER_PORT": ports["jaeger"],
        "STACK_JAEGER_GRPC_PORT": ports["jaeger_grpc"],
        "STACK_JAEGER_OTLP_PORT": ports["store"],
        "STACK_JAEGER_METRICS_PORT": ports["jaeger_own"],
        "STACK_JAEGER_DATA": str(folder / "jaeger"),
    }


def _collector_command() -> tuple[str, ...]:
    return (str(program("parley-collector")), "--config", str(CONFIGURATIONS / "collector" / "collector.yaml"))


def _collector_settings(ports: dict[str, str]) -> dict[str, str]:
    return {
        "STACK_COLLECTOR_GRPC_PORT": ports["otlp"],
        "STACK_COLLECTOR_HTTP_PORT": ports["http"],
        "STACK_COLLECTOR_HEALTH_PORT": ports["health"],
        "STACK_COLLECTOR_METRICS_PORT": ports["own"],
        "STACK_COLLECTOR_SPANS_PORT": ports["spans"],
        "STACK_TRACE_STORE": f"127.0.0.1:{ports['store']}",
    }


def _prometheus_command(folder: Path, port: str) -> tuple[str, ...]:
    # It takes no settings from the environment, and reads its targets beside its configuration: so that is copied.
    shutil.copytree(CONFIGURATIONS / "prometheus", folder / "prometheus")
    for path in (folder / "prometheus" / "targets").iterdir():
        path.write_text("[]")
    return (
        str(program("prometheus")),
        f"--config.file={folder / 'prometheus' / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--web.enable-remote-write-receiver",
    )


def _point(path: Path, *targets: tuple[str, str]) -> None:
    """Write a file of targets: (server, port) each. Renamed into place, so that it is never read half."""
    lines = [f"- targets: ['127.0.0.1:{port}']\n  labels: {{server: {server}}}\n" for server, port in targets]
    fresh = path.with_suffix(".new")
    fresh.write_text("".join(lines))
    fresh.rename(path)
