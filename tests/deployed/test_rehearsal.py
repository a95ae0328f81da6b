"""The Dockerfile's steps, carried out: four images start, are well, answer a spoken question, and end when told."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest

from serving.deletion_cost.cost import work_of
from tests.deploy.conftest import DEPLOYED
from tests.deploy.dockerfile import Dockerfile
from tests.deployed.manifests import pods
from tests.deployed.rehearsal import Rehearsal, Root
from tests.end_to_end.whole import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
DOCKERFILE: Final = Dockerfile.read(ROOT / "deploy" / "images" / "Dockerfile")
IMAGES: Final = tuple(DEPLOYED)
PATIENCE_SECONDS: Final = 300
# Installing takes a while, and a busy machine starts processes slowly.
pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        os.geteuid() != 0,
        reason="the Dockerfile is carried out in a chroot, which only root may make: run `make test-deploy` as root",
    ),
]


@dataclass(frozen=True, slots=True)
class Container:
    """An image that runs."""

    image: str
    root: Root
    variables: dict[str, str]
    process: asyncio.subprocess.Process

    async def metrics(self) -> str:
        """What it measures."""
        port = self.variables[DEPLOYED[self.image].process.variables[1]]
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/metrics") as response:
            return await response.text()

    async def is_well(self) -> int:
        """What its HEALTHCHECK gives."""
        command = self.root.command(DOCKERFILE.last(self.image, "HEALTHCHECK").words, self.variables, is_image=True)
        check = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        return await check.wait()


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Root]]:
    """The images, carried out."""
    folder = tmp_path_factory.mktemp("rehearsal")
    rehearsal = Rehearsal(DOCKERFILE, ROOT, folder)
    yield {image: rehearsal.build(image) for image in IMAGES}
    shutil.rmtree(folder)


@asynccontextmanager
async def started(roots: dict[str, Root]) -> AsyncIterator[tuple[str, list[Container]]]:
    """All four, on ports of their own: the page's URL, and each of them when it is well."""
    names = [name for each in DEPLOYED.values() for name in each.process.variables]
    variables = dict(zip(names, map(str, free_ports(len(names))), strict=True))
    for image, deployed in DEPLOYED.items():
        # On this machine nobody else is to reach them.
        variables[f"PARLEY_{image.upper()}_HOST"] = "127.0.0.1"
        if image != "gateway":
            variables[f"PARLEY_{image.upper()}_ADDRESS"] = f"127.0.0.1:{variables[deployed.process.variables[0]]}"
    containers: list[Container] = []
    try:
        for image, root in roots.items():
            command = root.command(DOCKERFILE.last(image, "ENTRYPOINT").words, variables, is_image=True)
            process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
            containers.append(Container(image, root, variables, process))
        async with asyncio.timeout(PATIENCE_SECONDS):
            for each in containers:
                while await each.is_well():
                    assert each.process.returncode is None, f"{each.image} has ended"
        yield f"http://127.0.0.1:{variables['PARLEY_GATEWAY_PORT']}", containers
    finally:
        for each in containers:
            if each.process.returncode is None:
                each.process.kill()
                await each.process.wait()


async def test_four_images_answer_a_spoken_question_together_and_end_when_they_are_told_to(
    roots: dict[str, Root],
) -> None:
    async with started(roots) as (url, containers):
        talk = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "parley_cli", "talk", "--json", "--url", url), stdout=asyncio.subprocess.PIPE
        )
        spoken, _ = await talk.communicate()
        turn = json.loads(spoken)
        assert (talk.returncode, turn["outcome"]) == (0, "completed")
        assert "hear me" in turn["transcript"].lower()
        assert turn["heard"]
        # Each tells how much it has to do to whoever keeps deletion costs; the session may not be over everywhere yet.
        assert {work_of(await each.metrics()) for each in containers} <= {0, 1}
        for each in containers:
            each.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert [await each.process.wait() for each in containers] == [0] * len(containers)


@pytest.mark.parametrize("image", IMAGES)
def test_a_process_is_nobody_in_particular_and_can_write_nothing_but_tmp(roots: dict[str, Root], image: str) -> None:
    script = (
        "id -u; id -g; id -G; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; "
        "for each in / /app /app/lib /models /usr /etc /tmp; do touch $each/x 2>/dev/null && echo wrote $each; done; "
        "true"
    )
    command = roots[image].command(["sh", "-c", script], {}, is_image=True)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # /models belongs to it, and is mounted read-only where models are used.
    assert said.split() == ["65532", "65532", "65532", "CapEff:", "0" * 16, "NoNewPrivs:", "1", "wrote", "/tmp"]  # noqa: S108 - within


def test_the_gateway_s_image_has_what_keeps_deletion_costs(roots: dict[str, Root]) -> None:
    [deployment] = [pod for pod in pods("production-gpu") if pod.name == "deletion-cost"]
    command = roots["gateway"].command([*deployment.container["command"], "--help"], {}, is_image=True)
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("usage: python -m serving.deletion_cost")


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_the_packages_of_its_process_and_no_other(roots: dict[str, Root], image: str) -> None:
    script = (
        "import importlib.util as u; "
        "print(*[n for n in ('av', 'espeakng_loader', 'faster_whisper', 'hibari', 'jinja2', 'pip') if u.find_spec(n)])"
    )
    command = roots[image].command(["python", "-c", script], {}, is_image=True)
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    # faster-whisper decodes files with PyAV.
    wanted = {
        "gateway": ["av"],
        "asr": ["av", "faster_whisper"],
        "llm": ["jinja2"],
        "tts": ["espeakng_loader", "hibari"],
    }
    assert found == wanted[image]
