"""Whether the addresses and ports can be had that Parley needs, or who has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley._binding import explain, find_problem
from parley_cli.doctor.findings import Finding, State
from parley_cli.probe import find_state
from parley_cli.processes import PROCESSES
from parley_cli.up.checks import running_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parley_cli.processes import Process


async def look_at_ports(environment: Mapping[str, str]) -> list[Finding]:
    """One finding where all is well or Parley runs, else one for each port that cannot be had."""
    if page := await running_at(environment):
        return [await _look_at_running(page, environment)]
    findings = [
        Finding("ports", State.WRONG, what.strip(), remedy.strip())
        for process in PROCESSES
        for what, _, remedy in (said.partition(":") for said in _taken(process, environment))
    ]
    numbers = ", ".join(str(port) for process in PROCESSES for _, port in process.ports(environment) if port)
    return findings or [Finding("ports", State.FINE, f"free: {numbers}")]


async def _look_at_running(page: str, environment: Mapping[str, str]) -> Finding:
    away = [process.module for process in PROCESSES if await find_state(environment, process) != "serving"]
    if away:
        what = f"Parley runs at {page}, and {', '.join(away)} does not serve"
        return Finding("ports", State.WRONG, what, "look at what it printed where it was started")
    return Finding("ports", State.FINE, f"Parley runs at {page}, and all its processes serve")


def _taken(process: Process, environment: Mapping[str, str]) -> list[str]:
    host = process.host(environment)
    problems = [(variable, port, find_problem(host, port)) for variable, port in process.ports(environment) if port]
    return [explain(problem, host, port, variable) for variable, port, problem in problems if problem is not None]
