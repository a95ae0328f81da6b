"""What `parley up` runs: which processes, how many of each, and what each is told. Starts nothing."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from parley._binding import find_problem, joined, port_of, reachable
from parley._variables import LOOPBACK
from parley.errors import InvalidInput
from parley_cli.processes import ADDRESSES, ASR, GATEWAY, LLAMACPP, PROCESSES, TTS
from parley_cli.up import llamacpp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parley_cli.processes import Process

OWN_PORT: Final = "PARLEY_GATEWAY_METRICS_PORT"
"""The port that one of several gateways has for itself; the others have those after it."""
_FIRST_OWN_PORT: Final = 9_104
_LAST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many of each there are; the LLM server has its own ways to serve many."""

    gateways: int = 1
    """On one port."""
    asr: int = 1
    """Each with its own model in memory."""
    tts: int = 1
    """Each with its own model in memory."""


@dataclass(frozen=True, slots=True)
class Member:
    """One process that is to run."""

    process: Process
    """What it is."""
    name: str
    """What the user reads: its module, with a number where there are several."""
    environment: Mapping[str, str]
    """What it is told."""
    own_port: int = 0
    """Of one of several gateways: the port by which it is told from the others; 0: it is the only one."""


def members_of(environment: Mapping[str, str], replicas: Replicas) -> tuple[Member, ...]:
    """All that runs, in the order in which it is started.

    Raises:
        InvalidInput: there are no ports for so many gateways.
    """
    processes = (LLAMACPP, *PROCESSES) if environment.get(llamacpp.PORT) else PROCESSES
    servers = [
        member
        for process in processes
        if process is not GATEWAY
        for member in _servers(process, environment, {ASR: replicas.asr, TTS: replicas.tts}.get(process, 1))
    ]
    return (*servers, *_gateways(_told_of(environment, servers), replicas.gateways))


def _servers(process: Process, environment: Mapping[str, str], count: int) -> list[Member]:
    members = [Member(process, process.module, environment)]
    for number in range(2, count + 1):
        grpc, metrics = process.variables
        # The others' figures are in `/stats`, which asks them over gRPC.
        own = {grpc: str(_free_port()), metrics: "0"}
        members.append(Member(process, f"{process.module} {number}", {**environment, **own}))
    return members


def _told_of(environment: Mapping[str, str], servers: list[Member]) -> dict[str, str]:
    """The environment of a gateway that asks all of them."""
    told = dict(environment)
    for variable, process in ADDRESSES.items():
        own = process.address(environment)
        more = [each.process.address(each.environment) for each in servers if each.process is process]
        told[variable] = ",".join([environment.get(variable, own), *(each for each in more if each != own)])
    return told


def _gateways(environment: Mapping[str, str], count: int) -> list[Member]:
    if count == 1:
        return [Member(GATEWAY, GATEWAY.module, environment)]
    first = port_of(environment, OWN_PORT) or _FIRST_OWN_PORT
    if first + count - 1 > _LAST_PORT:
        raise InvalidInput(f"{OWN_PORT}={first}: {count} gateways need as many ports from there on", field=OWN_PORT)
    return [
        Member(
            GATEWAY,
            f"{GATEWAY.module} {number + 1}",
            {**environment, "PARLEY_GATEWAY_REUSE_PORT": "1", OWN_PORT: str(first + number)},
            first + number,
        )
        for number in range(count)
    ]


def taken(members: tuple[Member, ...]) -> tuple[Member, OSError] | None:
    """The first gateway whose own port cannot be had, and why."""
    for member in members:
        if member.own_port:
            problem = find_problem(member.process.host(member.environment), member.own_port)
            if problem is not None:
                return member, problem
    return None


def own_address(member: Member) -> tuple[str, int]:
    """Where a gateway's own port is found from this machine."""
    return reachable(member.process.host(member.environment)).strip("[]"), member.own_port


def own_addresses(members: tuple[Member, ...]) -> list[str]:
    """Of all gateways that have one, host:port."""
    return [joined(*own_address(member)) for member in members if member.own_port]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
