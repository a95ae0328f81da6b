"""The four processes as their pods would start them, here: with the pods' own settings, on ports that are free."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from parley._variables import PORTS
from serving.probes import GrpcProbe, Unhealthy
from tests.deploy.conftest import DEPLOYED
from tests.end_to_end.whole import free_ports
from tests.programs import eventually, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from tests.deployed.cluster import Cluster
    from tests.deployed.manifests import Resource

_START_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Processes:
    """All of them, running."""

    pods: Mapping[str, Resource]
    """What each was started for."""
    ports: Mapping[int, int]
    """Where each port of a pod is on this machine."""

    def address(self, port: int) -> str:
        return f"127.0.0.1:{self.ports[port]}"

    async def ask(self, probe: Resource) -> None:
        """Ask as kubelet does for a container's probe.

        Raises:
            Unhealthy: the answer is not that all is well.
        """
        match probe:
            case {"grpc": {"port": port, **rest}}:
                asked = GrpcProbe("127.0.0.1", self.ports[port], str(rest.get("service", "")))
                await asked.ask(live=not asked.service)
            case {"exec": {"command": ["python", *arguments]}}:
                await self._execute(arguments)
            case other:
                raise AssertionError(other)

    async def _execute(self, arguments: Sequence[str]) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env={**os.environ, **own_ports(self.ports)}, stderr=asyncio.subprocess.PIPE
        )
        _, told = await process.communicate()
        if process.returncode:
            raise Unhealthy(told.decode())


@asynccontextmanager
async def open_processes(cluster: Cluster, folder: Path) -> AsyncIterator[Processes]:
    """Start what the cluster's pods would run, until the block is left; each has succeeded at its startup probe."""
    pods = {pod["metadata"]["labels"]["app.kubernetes.io/name"]: pod for pod in cluster.items("pods")}
    variables = [name for each in DEPLOYED.values() for name in each.process.variables]
    ports = dict(zip((PORTS[name] for name in variables), free_ports(len(variables)), strict=True))
    processes = Processes({name: pods[name] for name in DEPLOYED}, ports)
    async with AsyncExitStack() as stack:
        for name, deployed in DEPLOYED.items():
            given = _reachable(environment(cluster, pods[name]), ports)
            command = (sys.executable, "-m", deployed.process.module)
            await stack.enter_async_context(running(folder, name, *command, **given, **own_ports(ports)))
        for name, pod in processes.pods.items():
            probe = pod["spec"]["containers"][0]["startupProbe"]
            what = f"{name} ({folder} has its log)"
            await eventually(partial(_is_well, processes, probe), what, _START_SECONDS)
        yield processes


def own_ports(ports: Mapping[int, int]) -> dict[str, str]:
    """What tells the processes to bind these instead of those of a pod."""
    return {name: str(ports[PORTS[name]]) for each in DEPLOYED.values() for name in each.process.variables}


async def _is_well(processes: Processes, probe: Resource) -> bool | None:
    try:
        await processes.ask(probe)
    except Unhealthy:
        return None
    return True


def environment(cluster: Cluster, pod: Resource) -> dict[str, str]:
    """What a pod's container finds set, by the API server's objects."""
    container = pod["spec"]["containers"][0]
    given: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            given |= cluster.item("configmap", source["configMapRef"]["name"])["data"]
        else:
            # Nobody has made it here.
            assert source["secretRef"]["optional"]
    for each in container.get("env", []):
        given[each["name"]] = _value(cluster, pod, each, given)
    return given


def _value(cluster: Cluster, pod: Resource, variable: Resource, given: Mapping[str, str]) -> str:
    match variable.get("valueFrom"):
        case None:
            return re.sub(r"\$\((\w+)\)", lambda found: given[found[1]], variable["value"])
        case {"fieldRef": {"fieldPath": "status.podIP"}}:
            return str(pod["status"]["podIP"])
        case {"configMapKeyRef": {"name": name, "key": key}}:
            return str(cluster.item("configmap", name)["data"][key])
        case other:
            raise AssertionError(other)


def _reachable(given: dict[str, str], ports: Mapping[int, int]) -> dict[str, str]:
    """The same, with what leads to a Service leading to the process on this machine."""
    services = "|".join(DEPLOYED)
    return {
        name: re.sub(rf"\b(?:{services}):(\d+)\b", lambda found: f"127.0.0.1:{ports[int(found[1])]}", value)
        for name, value in given.items()
    }
