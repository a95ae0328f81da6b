"""What would keep Parley from starting, seen before anything is started, while it can be said in one line."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from parley._binding import explain, find_problem, host_variable_of
from parley._tls import tls_of
from parley.errors import InvalidInput, Unavailable, not_installed
from parley_cli.probe import find_state
from parley_cli.processes import GATEWAY, PROCESSES, edge_tls, page_url
from parley_cli.up.members import OWN_PORT, taken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parley_cli.processes import Process
    from parley_cli.up.members import Member

# Every process that serves has its metrics from it, and the command line can be installed without.
_SERVING: Final = "prometheus_client"


async def check(environment: Mapping[str, str]) -> None:
    """See whether all processes could start.

    Raises:
        Unavailable: a package is not installed, an address or a port cannot be had, or Parley already runs.
        InvalidInput: a variable holds no port that could be used, or no file of a certificate.
    """
    _check_ports(environment)
    for tls in (tls_of(environment), edge_tls(environment)):
        if tls is not None:
            tls.load()
    for process in PROCESSES:
        if lacks_packages(process):
            raise not_installed(f"what {process.module} needs", "all")
    for process in PROCESSES:
        for variable, port in process.ports(environment):
            problem = find_problem(process.host(environment), port) if port else None
            if problem is not None:
                await _raise(problem, process, variable, environment)


def check_own_ports(members: tuple[Member, ...]) -> None:
    """See whether each of several gateways can have the port that is its alone.

    Raises:
        Unavailable: one cannot.
    """
    found = taken(members)
    if found is not None:
        member, problem = found
        raise Unavailable(explain(problem, member.process.host(member.environment), member.own_port, OWN_PORT))


def lacks_packages(process: Process) -> bool:
    """True when what `process` is made of is not installed here."""
    return any(importlib.util.find_spec(name) is None for name in (process.module, _SERVING))


async def running_at(environment: Mapping[str, str]) -> str:
    """Address of the page of a Parley that runs where this one would; empty when there is none."""
    return page_url(environment) if await find_state(environment, GATEWAY) else ""


def _check_ports(environment: Mapping[str, str]) -> None:
    owners: dict[int, str] = {}
    for process in PROCESSES:
        for variable, port in process.ports(environment):
            if not port and not variable.endswith("_METRICS_PORT"):
                raise InvalidInput(f"{variable}=0: `parley up` must know the port, so name one", field=variable)
            if port and port in owners:
                raise InvalidInput(f"{owners[port]} and {variable} are both {port}: each needs its own", field=variable)
            owners[port] = variable


async def _raise(problem: OSError, process: Process, variable: str, environment: Mapping[str, str]) -> None:
    port = dict(process.ports(environment))[variable]
    if page := await running_at(environment):
        raise Unavailable(
            f"Parley already runs at {page}: open that page, or stop it with Ctrl-C where it was started. A second one "
            "needs ports of its own: set PARLEY_GATEWAY_PORT, PARLEY_GATEWAY_GRPC_PORT and those of the servers"
        ) from problem
    if await find_state(environment, process):
        raise Unavailable(
            f"another Parley's {process.module} is at port {port}: stop it, or set {variable} to another port"
        ) from problem
    reason = explain(problem, process.host(environment), port, variable)
    needs = "" if host_variable_of(variable) in reason else f" ({process.module} needs it)"
    raise Unavailable(reason + needs) from problem
