"""Finds the exporter that the standard `OTEL_*` variables name for traces or for logs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from serving.config import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_PROTOCOLS: Final = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_BESIDE_US: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Signal:
    """What is exported."""

    name: str
    """As the variables spell it, in small letters: "traces" or "logs"."""

    @property
    def variable(self) -> str:
        """The one that names its exporters."""
        return f"OTEL_{self.name.upper()}_EXPORTER"

    @property
    def endpoint(self) -> str:
        """Where it is sent by OTLP; empty: nothing is said of that."""
        return variable(f"OTEL_EXPORTER_OTLP_{self.name.upper()}_ENDPOINT") or variable("OTEL_EXPORTER_OTLP_ENDPOINT")

    @property
    def exporters(self) -> tuple[str, ...]:
        """Those that the variable names; "" where it is unset."""
        return tuple(name.strip() for name in variable(self.variable).split(","))


TRACES: Final = Signal("traces")
LOGS: Final = Signal("logs")


def exporter(signal: Signal, name: str) -> Any:  # noqa: ANN401 - of spans or of log records, each of its own class
    """An exporter, imported only now: it costs 15 MB, and most first runs have no collector.

    Raises:
        ConfigError: there is none by that name, or its settings are wrong.
    """
    # Entry points under which packages offer exporters; the SDK looks there too.
    known = {point.name: point for point in entry_points(group=f"opentelemetry_{signal.name}_exporter")}
    point = known.get(_otlp(signal) if name == "otlp" else name)
    if point is None:
        choices = ", ".join(["none", "otlp", *sorted(known.keys() - set(_PROTOCOLS.values()))])
        raise ConfigError(f"{signal.variable}={name}: not one of {choices}, nor offered by a package")
    try:
        return point.load()(**_past_proxies(signal, point))
    except ValueError as error:
        raise ConfigError(f"{signal.variable}={name}: its OTEL_EXPORTER_* variables are wrong: {error}") from error


def disabled() -> bool:
    """True when `OTEL_SDK_DISABLED` turns all export off."""
    return variable("OTEL_SDK_DISABLED").lower() == "true"


def whole_number(name: str, default: int) -> int:
    """The value of a variable; `default` where it is unset or zero.

    Raises:
        ConfigError: it is no whole number.
    """
    text = variable(name)
    if not text.isdecimal() and text:
        raise ConfigError(f"{name}={text}: not a whole number")
    return int(text or default) or default


def variable(name: str) -> str:
    """The value of a variable, without space around it; empty where it is unset."""
    return os.environ.get(name, "").strip()


def _past_proxies(signal: Signal, point: EntryPoint) -> dict[str, object]:
    """Arguments of an exporter whose collector is beside us: that is no affair of a company's proxy."""
    endpoint = signal.endpoint
    if urlsplit(endpoint if "//" in endpoint else f"//{endpoint}").hostname not in _BESIDE_US:
        return {}
    if point.name == _PROTOCOLS["grpc"]:
        return {"channel_options": (("grpc.enable_http_proxy", 0),)}
    if point.name == _PROTOCOLS["http/protobuf"]:
        from requests import Session  # noqa: PLC0415 - with the exporter, not before

        session = Session()
        session.trust_env = False
        return {"session": session}
    return {}


def _otlp(signal: Signal) -> str:
    name = f"OTEL_EXPORTER_OTLP_{signal.name.upper()}_PROTOCOL"
    if not variable(name):
        name = "OTEL_EXPORTER_OTLP_PROTOCOL"
    protocol = variable(name) or "grpc"
    if protocol not in _PROTOCOLS:
        raise ConfigError(f"{name}={protocol}: not one of {', '.join(_PROTOCOLS)}")
    return _PROTOCOLS[protocol]
