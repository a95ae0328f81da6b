"""All models of a profile in one go: what is said, what is asked, what is fetched, and what is not fetched twice."""

from __future__ import annotations

import asyncio
import os
import pty
import random
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import pytest

from parley_cli.models.machine import Machine
from parley_cli.models.sets import small_set
from tests.parley_cli.hub_server import HubServer, open_hub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

WHISPER: Final = "Systran/faster-whisper-tiny.en"
WRITER: Final = "some/writer"
GGUF: Final = "small.q4.gguf"
WEIGHTS: Final = random.Random(2).randbytes(200_000)  # noqa: S311 - bytes that do not repeat
LIMIT: Final = 100_000
PULL: Final = "import sys, os; from parley_cli.terminal import guarded; from parley_cli.up.pulling import pull; "
RUN: Final = f"{PULL}sys.exit(guarded(lambda: pull('cpu', os.environ, yes='--yes' in sys.argv) or 0))"


@dataclass(frozen=True)
class Desk:
    """A user's own folder, and a hub."""

    home: Path
    hub: HubServer
    before: str = ""
    """Code that is run first."""
    started: list[asyncio.subprocess.Process] = field(default_factory=list)

    def environment(self, **settings: str) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PARLEY_"))}
        models = {"PARLEY_ASR_MODEL": "tiny.en", "PARLEY_LLAMACPP_MODEL": f"{WRITER}:{GGUF}"}
        return {**mine, "HF_HOME": str(self.home), **self.hub.settings(), **models, **settings}

    async def start(
        self, *arguments: str, stdin: int = asyncio.subprocess.DEVNULL, settings: Mapping[str, str] | None = None
    ) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", self.before + RUN, *arguments),
            env=self.environment(**(settings or {})),
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self.started.append(process)
        return process

    async def pull(self, *arguments: str, **settings: str) -> tuple[int | None, str, str]:
        """Status, output and errors of what `parley up --profile cpu --pull` does before it starts anything."""
        process = await self.start(*arguments, settings=settings)
        out, errors = await process.communicate()
        return process.returncode, out.decode(), errors.decode()

    @property
    def blob(self) -> Path:
        """The weights as llama.cpp finds them."""
        return self.home / "hub" / "models--some--writer" / "snapshots" / self.hub.commit / GGUF

    @property
    def came(self) -> int:
        """Bytes of the largest file that is not whole."""
        sizes = [0]
        for each in self.home.rglob("*.incomplete"):
            # One that has just become whole has another name by now.
            with suppress(FileNotFoundError):
                sizes.append(each.stat().st_size)
        return max(sizes)

    async def end(self) -> None:
        """Leave nothing running where a test has failed."""
        for process in self.started:
            if process.returncode is None:
                process.kill()
                await process.communicate()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    whisper = {"config.json": b"{}", "model.bin": WEIGHTS[:70_000], "tokenizer.json": b"{} ", "vocabulary.txt": b"a\n"}
    async with open_hub({WHISPER: whisper, WRITER: {GGUF: WEIGHTS, "other.gguf": b"x"}}) as hub:
        hub.licenses |= {WHISPER: "mit", WRITER: "apache-2.0"}
        desk = Desk(tmp_path / "home", hub)
        yield desk
        await desk.end()


async def test_names_sizes_and_licences_are_shown_before_anything_comes(desk: Desk) -> None:
    status, out, errors = await desk.pull("--yes")
    assert status == 0, errors
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:5] == ["These", "models", "come", "from", desk.hub.url + ","]
    assert ["whisper:tiny.en", "70", "kB", "mit"] in lines
    assert [f"gguf:{WRITER}:{GGUF}", "200", "kB", "apache-2.0"] in lines
    assert ["together", "270", "kB"] in lines
    assert "hibari (Apache-2.0)" in out
    assert out.endswith("All models are here.\n")
    assert desk.blob.read_bytes() == WEIGHTS
    assert "other.gguf" not in {each.path for each in desk.hub.served}


async def test_where_nobody_can_be_asked_nothing_comes_without_yes(desk: Desk) -> None:
    status, out, errors = await desk.pull()
    assert status == 1
    assert errors == "parley: 270 kB are to be fetched, and nobody is there to be asked: add --yes to agree\n"
    assert "whisper:tiny.en" in out
    assert desk.hub.served == []


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("", 0), ("n", 1), ("never", 1)])
async def test_at_a_terminal_the_user_is_asked_once(desk: Desk, answer: str, status: int) -> None:
    ours, theirs = pty.openpty()
    try:
        process = await desk.start(stdin=theirs)
        os.write(ours, f"{answer}\n".encode())
        out, errors = await process.communicate()
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == status, errors
    assert out.decode().count("Fetch them? [Y/n]") == 1
    assert desk.blob.exists() is (status == 0)


async def test_a_second_time_nobody_is_asked_neither_user_nor_hub(desk: Desk) -> None:
    assert (await desk.pull("--yes"))[0] == 0
    before = desk.hub.lists, len(desk.hub.served)
    assert await desk.pull(HF_HUB_OFFLINE="1") == (0, "", "")
    assert (desk.hub.lists, len(desk.hub.served)) == before


async def test_only_what_is_missing_is_shown_and_fetched(desk: Desk) -> None:
    assert (await desk.pull("--yes"))[0] == 0
    desk.blob.unlink()
    desk.blob.parent.parent.parent.joinpath("blobs").rename(desk.home / "gone")
    lists = desk.hub.lists
    status, out, _ = await desk.pull("--yes")
    assert status == 0
    assert "whisper" not in out
    assert desk.hub.lists == lists + 1
    assert desk.blob.read_bytes() == WEIGHTS


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
async def test_stopped_in_the_middle_nothing_half_is_found_and_the_next_one_goes_on(
    desk: Desk, stop: signal.Signals
) -> None:
    desk.hub.breaks[GGUF] = [-1]
    process = await desk.start("--yes")
    while desk.came < len(WEIGHTS) // 2:
        await asyncio.sleep(0)
    process.send_signal(stop)
    _, errors = await process.communicate()
    desk.hub.halted.set()
    if stop is signal.SIGINT:
        assert process.returncode == 130
        assert errors.decode().endswith("Stopped. What has come is kept, and the same command goes on from there.\n")
    assert not desk.blob.exists()
    assert (await desk.pull("--yes"))[0] == 0
    assert desk.hub.ranges(GGUF)[-1] == f"bytes={len(WEIGHTS) // 2}-"
    assert desk.hub.sent(GGUF) == len(WEIGHTS)
    assert desk.blob.read_bytes() == WEIGHTS


async def test_a_connection_that_breaks_is_gone_on_with(desk: Desk) -> None:
    desk.hub.breaks[GGUF] = [50_000, 50_000]
    assert (await desk.pull("--yes"))[0] == 0
    assert desk.blob.read_bytes() == WEIGHTS


async def test_another_checksum_is_refused_and_nothing_of_it_is_kept(desk: Desk) -> None:
    desk.hub.spoilt.add(GGUF)
    status, _, errors = await desk.pull("--yes")
    assert status == 1
    assert f"{GGUF}: what came from {desk.hub.url} has another checksum" in errors
    assert not desk.blob.exists()
    assert desk.came == 0


@pytest.mark.parametrize(("refused", "says"), [(401, "HF_TOKEN"), (403, "HF_TOKEN"), (404, f"the hub has no {WRITER}")])
async def test_a_refusal_is_told_before_anything_comes(desk: Desk, refused: int, says: str) -> None:
    desk.hub.refusals[WRITER] = refused
    status, _, errors = await desk.pull("--yes")
    assert (status, errors.count("\n")) == (1, 1)
    assert says in errors
    assert desk.hub.served == []


async def test_a_file_that_there_is_not_is_told_with_those_that_there_are(desk: Desk) -> None:
    _, _, errors = await desk.pull("--yes", PARLEY_LLAMACPP_MODEL=f"{WRITER}:smal.q4.gguf")
    assert f"{WRITER} has no smal.q4.gguf; there are {GGUF}" in errors


async def test_a_disk_without_room_for_all_of_it_is_told_before_anything_comes(desk: Desk) -> None:
    desk.hub.claimed_sizes[GGUF] = 10**18
    status, _, errors = await desk.pull("--yes")
    assert status == 1
    assert "1000000 TB are to be fetched, and the disk of" in errors
    assert desk.hub.served == []


async def test_a_disk_that_is_full_in_the_middle_is_told_and_the_next_one_goes_on(desk: Desk) -> None:
    full = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, {LIMIT})); "
    status, _, errors = await replace(desk, before=full).pull("--yes")
    assert (status, errors.splitlines()[-1]) == (1, f"parley: {desk.home / 'hub'} cannot be written: File too large")
    assert "Traceback" not in errors
    assert not desk.blob.exists()
    assert (await desk.pull("--yes"))[0] == 0
    assert desk.hub.ranges(GGUF)[-1] == f"bytes={LIMIT}-"
    assert desk.blob.read_bytes() == WEIGHTS


async def test_a_mirror_that_is_silent_in_the_middle_is_asked_for_the_rest(desk: Desk) -> None:
    desk.hub.breaks[GGUF] = [-1]
    status, _, errors = await desk.pull("--yes", HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert status == 0, errors
    assert desk.hub.ranges(GGUF)[-1] == f"bytes={len(WEIGHTS) // 2}-"
    assert desk.blob.read_bytes() == WEIGHTS


async def test_offline_it_says_what_would_have_to_come(desk: Desk) -> None:
    status, _, errors = await desk.pull("--yes", HF_HUB_OFFLINE="1")
    assert (status, desk.hub.lists) == (1, 0)
    assert f"whisper:tiny.en, gguf:{WRITER}:{GGUF} would have to be fetched" in errors


async def test_a_hub_without_a_card_names_no_licence(desk: Desk) -> None:
    desk.hub.licenses = {WHISPER: "x" * 101, WRITER: "a\nb"}
    _, out, _ = await desk.pull()
    assert out.count("the hub names no licence") == 2


GB: Final = 10**9


@pytest.mark.parametrize(
    ("machine", "settings", "whisper", "writes"),
    [
        (Machine(1, 0), {}, "tiny.en", "0.5b"),
        (Machine(2, 24 * GB), {}, "tiny.en", "0.5b"),
        (Machine(4, 2 * GB), {}, "tiny.en", "0.5b"),
        (Machine(4, 4 * GB), {}, "base.en", "0.5b"),
        (Machine(4, 8 * GB), {}, "base.en", "1.5b"),
        (Machine(16, 16 * GB), {}, "small.en", "1.5b"),
        (Machine(4, 8 * GB), {"PARLEY_ASR_LANGUAGE": "en-GB"}, "base.en", "1.5b"),
        (Machine(4, 8 * GB), {"PARLEY_ASR_LANGUAGE": "de"}, "base", "1.5b"),
        (Machine(4, 8 * GB), {"PARLEY_ASR_LANGUAGE": "auto"}, "base", "1.5b"),
    ],
)
def test_a_machine_gets_what_it_carries(machine: Machine, settings: dict[str, str], whisper: str, writes: str) -> None:
    made = small_set(machine, settings)
    assert made["PARLEY_ASR_MODEL"] == whisper
    assert made["PARLEY_LLAMACPP_MODEL"] == (
        f"Qwen/Qwen2.5-{writes.upper()}-Instruct-GGUF:qwen2.5-{writes}-instruct-q4_k_m.gguf"
    )


def test_a_machine_is_named_for_people() -> None:
    assert str(Machine(1, 0)) == "1 processor"
    assert str(Machine(4, 8 * GB)) == "4 processors and 8 GB of memory"
