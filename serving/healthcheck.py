"""Asks a process of Parley whether it is well: `python -m serving.healthcheck asr_server`.

For a container's health check, where there may be neither curl nor grpc_health_probe. It takes the ports from the same
variables as the process itself, through the configuration class of the package that is named. Exit status 0: it is
well; 1: it is not, and one line on standard error says what was seen. Knows no service by name.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import importlib
import inspect
import os
import sys
from typing import TYPE_CHECKING, Final, Protocol, cast

from parley._masking import masked, secrets_of
from parley.errors import ParleyError
from serving.config import ConfigError, read
from serving.probes import Unhealthy, ask_all

if TYPE_CHECKING:
    from serving.probes import Probe

_SECONDS: Final = 3.0


class _Answering(Protocol):
    """A configuration that says where its process answers for its health."""

    @property
    def probes(self) -> tuple[Probe, ...]: ...


def main() -> None:
    """Ask, and leave with the status."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.healthcheck",
        description="Ask a process of Parley on this machine for its health; its variables say where it is.",
    )
    parser.add_argument("package", help="what `python -m` runs there, such as asr_server")
    parser.add_argument("--live", action="store_true", help="ask only whether it is there, not whether it is ready")
    parser.add_argument("--seconds", type=float, default=_SECONDS, help="longest wait (default: %(default)g)")
    given = parser.parse_args()
    try:
        config = read(_config_class(given.package), os.environ)
        asyncio.run(ask_all(config.probes, live=given.live, seconds=given.seconds))
    except (ConfigError, ParleyError, Unhealthy) as error:
        sys.stderr.write(f"{given.package}: {masked(str(error), secrets_of(os.environ))}\n")
        sys.exit(1)


def _config_class(package: str) -> type[_Answering]:
    name = f"{package}.config"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        # What is missing inside a module that is there is another matter.
        if error.name not in {name, package}:
            raise
        raise Unhealthy("there is no such process; name what `python -m` runs, such as asr_server") from error
    for _, found in inspect.getmembers(module, inspect.isclass):
        if found.__module__ == name and dataclasses.is_dataclass(found) and hasattr(found, "probes"):
            return cast("type[_Answering]", found)
    raise Unhealthy("its configuration does not say where it answers for its health")


if __name__ == "__main__":
    main()
