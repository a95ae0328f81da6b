"""The processes are as the manifests say: they start with it, answer each probe, and measure what scales them."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from serving.probes import Unhealthy
from tests.deploy.conftest import DEPLOYED
from tests.deployed.manifests import OVERLAYS, Pod, of_kind, pods, selects
from tests.deployed.parts import program
from tests.deployed.processes import Processes, open_processes
from tests.end_to_end.whole import free_ports
from tests.programs import eventually, get_json, get_text, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.deployed.conftest import Applied
    from tests.deployed.manifests import Resource

# The other overlays have engines that are too large for here; their probes are asked of the same processes.
pytestmark = [pytest.mark.timeout(900), pytest.mark.parametrize("applied", ["demo"], indirect=True)]
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
SCALED = "production-gpu"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def processes(applied: Applied, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Processes]:
    async with open_processes(applied.cluster, tmp_path_factory.mktemp("processes")) as processes:
        yield processes


@pytest.mark.parametrize("overlay", OVERLAYS)
async def test_every_probe_is_answered_by_the_process_that_it_is_for(processes: Processes, overlay: str) -> None:
    for pod in pods(overlay):
        if pod.name in DEPLOYED:
            for probe in PROBES:
                await processes.ask(pod.container[probe])


async def test_a_probe_of_a_service_that_is_not_there_fails(processes: Processes) -> None:
    with pytest.raises(Unhealthy):
        await processes.ask({"grpc": {"port": 50051, "service": "parley.v1.TtsService"}})


async def test_a_turn_is_spoken_with_what_the_manifests_set(processes: Processes) -> None:
    talk = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "parley_cli", "talk", "--json", "--url", f"http://{processes.address(8080)}"),
        stdout=asyncio.subprocess.PIPE,
    )
    spoken, _ = await talk.communicate()
    assert (talk.returncode, json.loads(spoken)["outcome"]) == (0, "completed")


async def test_the_gateway_answers_by_its_pods_address_and_its_service_and_no_other_name(processes: Processes) -> None:
    address = processes.pods["gateway"]["status"]["podIP"]
    url = f"http://{processes.address(8080)}/metrics"
    async with aiohttp.ClientSession() as http:
        for host, is_known in ((address, True), ("gateway", True), ("parley.example.org", False)):
            async with http.get(url, headers={"Host": host}) as response:
                assert response.ok == is_known, host


@dataclass(frozen=True, slots=True)
class Scraped:
    """A Prometheus that has asked every process once at least."""

    url: str

    async def query(self, expression: str) -> list[Resource]:
        answer: Any = await get_json(f"{self.url}/api/v1/query", query=expression)
        assert answer is not None, f"Prometheus cannot read {expression}"
        return list(answer["data"]["result"])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scraped(processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scraped]:
    """Prometheus with what its operator would make of the PodMonitors."""
    folder = tmp_path_factory.mktemp("prometheus")
    [port] = free_ports(1)
    jobs = [job for monitor in of_kind(SCALED, "PodMonitor") for job in scrapes(monitor, processes)]
    configuration = {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    found = Scraped(f"http://127.0.0.1:{port}")
    command = (
        str(program("prometheus")),
        "--config.file=prometheus.yml",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.tsdb.path={folder / 'data'}",
    )
    async with running(folder, "prometheus", *command):
        await eventually(lambda: get_text(f"{found.url}/-/ready"), f"the first answer of Prometheus ({folder})")
        await eventually(lambda: all_up(found), "a scrape of every process")
        yield found


def scrapes(monitor: Resource, processes: Processes) -> list[Resource]:
    """A PodMonitor in the words of Prometheus itself."""
    selected = [pod for pod in pods(SCALED) if selects(monitor["spec"]["selector"], pod.labels)]
    return [
        {
            "job_name": f"{monitor['metadata']['name']}-{number}",
            "metrics_path": endpoint["path"],
            "static_configs": [target(pod, endpoint["port"], processes) for pod in selected],
            "relabel_configs": [{snake(name): each[name] for name in each} for each in endpoint["relabelings"]],
        }
        for number, endpoint in enumerate(monitor["spec"]["podMetricsEndpoints"])
    ]


def target(pod: Pod, port: str, processes: Processes) -> Resource:
    labels = {f"__meta_kubernetes_pod_label_{re.sub(r'[^a-z]', '_', key)}": pod.labels[key] for key in pod.labels}
    return {"targets": [processes.address(pod.ports[port])], "labels": labels}


def snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)


async def all_up(found: Scraped) -> bool | None:
    answer = await found.query('up{job="parley"} == 1')
    return {each["metric"]["server"] for each in answer} == set(DEPLOYED) or None


@pytest.mark.parametrize("process", DEPLOYED)
async def test_what_scales_a_process_is_measured(scraped: Scraped, process: str) -> None:
    [scaled] = [each for each in of_kind(SCALED, "ScaledObject") if each["metadata"]["name"] == process]
    for trigger in scaled["spec"]["triggers"]:
        query = trigger["metadata"]["query"]
        # Each selector of its own, with its labels; and what comes of them is one number.
        for selector in re.findall(r"parley_\w+(?:\{[^}]*\})?", query):
            assert await scraped.query(selector), selector
        [answer] = await scraped.query(query)
        assert answer["metric"] == {}
        assert float(answer["value"][1]) == 0


async def test_a_session_is_counted_where_it_scales_the_gateway(processes: Processes, scraped: Scraped) -> None:
    [scaled] = [each for each in of_kind(SCALED, "ScaledObject") if each["metadata"]["name"] == "gateway"]
    query = scaled["spec"]["triggers"][0]["metadata"]["query"]

    async def load() -> float | None:
        [answer] = await scraped.query(query)
        return float(answer["value"][1]) or None

    url = f"ws://{processes.address(8080)}/v1/conversation"
    async with aiohttp.ClientSession() as http, http.ws_connect(url):
        assert await eventually(load, "the session in the load") <= 1
