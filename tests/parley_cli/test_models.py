from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import os
import pty
import random
import signal
import sys
import termios
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import faster_whisper.utils
import pytest
from huggingface_hub import hf_hub_download, snapshot_download

from parley.errors import InvalidInput, NotFound, ParleyError
from parley_cli.models.commands import pull, verify
from parley_cli.models.hub import Hub
from parley_cli.models.listing import list_models
from parley_cli.models.names import VOICES, WHISPER_SIZES, HubFile, Model, parse
from parley_cli.models.store import Store
from tests.asr_server.engines.whisper.tiny_whisper import make_whisper
from tests.parley_cli.hub_server import COMMIT, HubServer, open_hub
from tests.tts_server.piper_voice import make_voice
from tts_server.engines.piper import PiperEngine
from tts_server.engines.piper_voices import PiperOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

SMALL: Final = "Systran/faster-whisper-small"
QWEN: Final = "Qwen/Qwen3-0.6B"
VOICE: Final = "en_US-lessac-medium"
WEIGHTS: Final = random.Random(1).randbytes(300_000)  # noqa: S311 - bytes that do not repeat


def repositories() -> dict[str, dict[str, bytes]]:
    return {
        SMALL: {
            ".gitattributes": b"x",
            "README.md": b"words",
            "config.json": b"{}",
            "model.bin": WEIGHTS,
            "tokenizer.json": b"{} ",
            "vocabulary.txt": b"a\nb\n",
        },
        QWEN: {
            "config.json": b"{ }",
            "model.safetensors": WEIGHTS[:1000],
            "pytorch_model.bin": WEIGHTS[:1001],
            "model-q4.gguf": b"g",
            "tokenizer.json": b"{}",
        },
        VOICES: {
            f"en/en_US/lessac/medium/{VOICE}.onnx": WEIGHTS[:50_000],
            f"en/en_US/lessac/medium/{VOICE}.onnx.json": b'{"a": 1}',
            "en/en_US/amy/low/en_US-amy-low.onnx": b"1",
            "de/de_DE/eva_k/x_low/de_DE-eva_k-x_low.onnx": b"2",
        },
        "some/turns": {"smart.onnx": b"3", "other.onnx": b"4"},
    }


@dataclass(frozen=True)
class Desk:
    """A user's own folder, and a hub."""

    home: Path
    hub: HubServer

    @property
    def cache(self) -> Path:
        return self.home / "hub"

    @property
    def snapshot(self) -> Path:
        return self.cache / "models--Systran--faster-whisper-small" / "snapshots" / COMMIT

    @property
    def partials(self) -> list[Path]:
        return list(self.home.rglob("*.incomplete"))

    @property
    def partial_bytes(self) -> int:
        """Of the largest one; any may be gone before it is looked at."""
        sizes = [0]
        for each in self.partials:
            with suppress(FileNotFoundError):
                sizes.append(each.stat().st_size)
        return max(sizes)

    def environment(self, **settings: str) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PARLEY_"))}
        folders = {"HF_HOME": str(self.home), "PARLEY_TTS_VOICES_DIR": str(self.home / "voices")}
        return {**mine, **folders, **self.hub.settings(), **settings}

    async def start(
        self, arguments: Sequence[str], settings: Mapping[str, str], stderr: int = asyncio.subprocess.PIPE
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "parley_cli", "models", *arguments,
            env=self.environment(**settings), stdout=asyncio.subprocess.PIPE, stderr=stderr,
        )  # fmt: skip

    async def command(self, *arguments: str, **settings: str) -> tuple[int, str, str]:
        """Status, output and errors of a command as a user runs it."""
        process = await self.start(arguments, settings)
        out, errors = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), errors.decode()

    async def run(self, *arguments: str, **settings: str) -> tuple[int, str, str]:
        """The same within this process, which takes less time."""
        hub = Hub(self.hub.url, {}, 10.0, offline=False, cache=self.cache)
        store = Store(self.cache, self.home / "voices")
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            try:
                status = await asyncio.to_thread(_do, hub, store, arguments, settings)
            except ParleyError as error:
                status = 1
                print(f"parley: {error}", file=errors)
        return status, out.getvalue(), errors.getvalue()

    async def rows(self, **settings: str) -> dict[str, dict[str, object]]:
        status, out, _ = await self.run("list", "--json", **settings)
        assert status == 0
        return {row["name"]: row for row in json.loads(out)}


def _do(hub: Hub, store: Store, arguments: tuple[str, ...], settings: dict[str, str]) -> int:
    action, *rest = arguments
    match action:
        case "pull":
            return pull(hub, store, [each for each in rest if each != "--offline"], offline="--offline" in rest)
        case "list":
            return list_models(store, settings, as_json="--json" in rest)
        case _:
            return verify(store, rest)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_hub(repositories()) as hub:
        yield Desk(tmp_path / "home", hub)


def test_sizes_are_those_of_faster_whisper() -> None:
    assert dict(WHISPER_SIZES) == faster_whisper.utils._MODELS  # noqa: SLF001 - it is public nowhere


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("small", "KIND:NAME, such as whisper:small"),
        ("vosk:small", "KIND:NAME, such as whisper:small"),
        ("whisper:", "KIND:NAME"),
        ("whisper:huge", "there are tiny, tiny.en,.*large-v3-turbo.* or OWNER/REPOSITORY"),
        ("whisper:../../etc", "or OWNER/REPOSITORY"),
        ("llm:llama3", "llm:Qwen/Qwen3-0.6B"),
        ("piper:lessac", "piper:en_US-lessac-medium"),
        ("piper:../en_US-a-low", "piper:en_US-lessac-medium"),
        ("turn:some/turns", "OWNER/REPOSITORY:FILE"),
    ],
)
def test_a_name_that_is_none_is_told_what_names_there_are(name: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        parse(name)


@pytest.mark.parametrize(
    ("name", "files", "picked"),
    [
        ("llm:a/b", ["config.json", "model.safetensors", "pytorch_model.bin", "x.gguf", "original/c.pth"], 2),
        ("llm:a/b", ["config.json", "model.bin", "vocabulary.json", "README.md"], 4),
        ("whisper:a/b", ["config.json", "model.bin", "vocabulary.json", "README.md"], 3),
        (
            "piper:de_DE-eva_k-x_low",
            ["de/de_DE-eva_k-x_low.onnx", "de/de_DE-eva_k-x_low.onnx.json", "de/MODEL_CARD"],
            2,
        ),
    ],
)
def test_of_a_repository_only_what_an_engine_needs_is_fetched(name: str, files: list[str], picked: int) -> None:
    assert [file.path for file in parse(name).pick([HubFile(path, 1, "") for path in files])] == files[:picked]


def test_a_repository_without_weights_for_an_engine_is_refused() -> None:
    with pytest.raises(NotFound, match="no weights that vllm or ctranslate2"):
        parse("llm:a/b").pick([HubFile("model.gguf", 1, "")])
    with pytest.raises(NotFound, match=r"a/b has no model\.bin"):
        parse("whisper:a/b").pick([HubFile("model.safetensors", 1, "")])


async def test_what_was_fetched_is_found_by_those_who_ask_for_it_and_is_whole(desk: Desk) -> None:
    names = ("whisper:small", f"llm:{QWEN}", f"piper:{VOICE}", "turn:some/turns:smart.onnx")
    status, out, errors = await desk.command("pull", *names)
    assert status == 0, errors
    assert "PARLEY_ASR_ENGINE=faster-whisper PARLEY_ASR_MODEL=small" in out
    assert f"fetching model.bin, {300} kB" in errors
    # Those who use them, with no hub to ask.
    found = faster_whisper.utils.download_model("small", local_files_only=True, cache_dir=str(desk.cache))
    assert found == str(desk.snapshot)
    assert {path.name for path in desk.snapshot.iterdir()} == {
        "config.json", "model.bin", "tokenizer.json", "vocabulary.txt",
    }  # fmt: skip
    llm = snapshot_download(QWEN, local_files_only=True, cache_dir=desk.cache)
    assert {path.name for path in (desk.home / llm).iterdir()} == {"config.json", "model.safetensors", "tokenizer.json"}
    assert hf_hub_download("some/turns", "smart.onnx", local_files_only=True, cache_dir=desk.cache)
    assert {path.name for path in (desk.home / "voices").iterdir() if path.name[0] != "."} == {
        f"{VOICE}.onnx", f"{VOICE}.onnx.json",
    }  # fmt: skip
    assert (await desk.command("verify"))[0] == 0
    assert not desk.partials
    rows = {row["name"]: row for row in json.loads((await desk.command("list", "--json"))[1])}
    assert [rows[name]["state"] for name in names] == ["whole"] * 4
    assert rows["whisper:small"]["bytes"] == len(WEIGHTS) + 9
    assert rows["whisper:small"]["folder"] == str(desk.snapshot)
    assert rows[f"llm:{QWEN}"]["setting"] == f"PARLEY_LLM_ENGINE=vllm PARLEY_LLM_MODEL={QWEN}"


@pytest.mark.timeout(90)
async def test_engines_load_what_was_fetched(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    make_whisper(folder)
    desk.hub.files[SMALL] = {path.name: path.read_bytes() for path in folder.iterdir()}
    voice = make_voice(tmp_path, VOICE)
    place = "en/en_US/lessac/medium"
    desk.hub.files[VOICES] = {
        f"{place}/{voice.name}": voice.read_bytes(),
        f"{place}/{voice.name}.json": (tmp_path / f"{voice.name}.json").read_bytes(),
    }
    assert (await desk.run("pull", "whisper:small", f"piper:{VOICE}"))[0] == 0
    assert [each.name for each in PiperEngine(PiperOptions(str(desk.home / "voices"))).load()] == [VOICE]
    load = (
        "from asr_server.engines.whisper.faster_whisper import WhisperEngine; "
        "from asr_server.engines.whisper.options import WhisperOptions; "
        "WhisperEngine(WhisperOptions('small', device='cpu')).load()"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", load, env=desk.environment(HF_HUB_OFFLINE="1"))
    assert await process.wait() == 0


async def test_a_file_that_breaks_off_is_gone_on_with_and_no_byte_comes_twice(desk: Desk) -> None:
    desk.hub.breaks["model.bin"] = [100_000, 50_000]
    status, _, errors = await desk.run("pull", "whisper:small")
    assert status == 0, errors
    ranges = desk.hub.ranges("model.bin")
    assert ranges[0] == ""
    assert len(ranges) == 3
    # What was on its way when the connection broke is sent again, and nothing else.
    came = int(ranges[1].removeprefix("bytes=").removesuffix("-"))
    assert 0 < came <= 100_000
    assert (desk.snapshot / "model.bin").read_bytes() == WEIGHTS


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
async def test_a_fetch_that_was_stopped_goes_on_with_the_next_command(desk: Desk, stop: signal.Signals) -> None:
    desk.hub.breaks["model.bin"] = [-1]
    process = await desk.start(("pull", "whisper:small"), {})
    while desk.partial_bytes < len(WEIGHTS) // 2:
        await asyncio.sleep(0)
    process.send_signal(stop)
    _, errors = await process.communicate()
    if stop is signal.SIGINT:
        assert process.returncode == 130
        assert errors.decode().endswith("Stopped. What has come is kept, and the same command goes on from there.\n")
    desk.hub.halted.set()
    row = (await desk.rows())["whisper:small"]
    assert (row["state"], row["bytes_here"]) == ("incomplete", 2)
    assert (await desk.run("pull", "--offline", "whisper:small"))[0] == 1
    assert (await desk.run("pull", "whisper:small"))[0] == 0
    assert desk.hub.ranges("model.bin") == ["", f"bytes={len(WEIGHTS) // 2}-"]
    assert desk.hub.sent("model.bin") == len(WEIGHTS)
    assert (await desk.run("verify", "whisper:small"))[0] == 0


async def test_a_server_that_knows_no_ranges_gives_all_of_it_again(desk: Desk) -> None:
    desk.hub.knows_ranges = False
    desk.hub.breaks["model.bin"] = [100_000]
    assert (await desk.run("pull", "whisper:small"))[0] == 0
    assert (desk.snapshot / "model.bin").read_bytes() == WEIGHTS


async def test_a_beginning_that_was_spoilt_on_the_disk_is_fetched_anew(desk: Desk) -> None:
    partial = desk.snapshot.parent.parent / "blobs" / f"{hashlib.sha256(WEIGHTS).hexdigest()}.parley.incomplete"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"?" * 1000)
    assert (await desk.run("pull", "whisper:small"))[0] == 0
    assert desk.hub.ranges("model.bin") == ["bytes=1000-", ""]
    assert (desk.snapshot / "model.bin").read_bytes() == WEIGHTS


async def test_what_comes_with_another_checksum_is_not_taken(desk: Desk) -> None:
    desk.hub.spoilt.add("model.bin")
    status, _, errors = await desk.run("pull", "whisper:small")
    assert status == 1
    assert "parley: model.bin: what came" in errors
    assert "another checksum" in errors
    assert not (desk.snapshot / "model.bin").exists()
    assert (await desk.run("verify", "whisper:small"))[0] == 1


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path: path.write_bytes(b"!" + WEIGHTS[1:]), "model.bin is corrupted"),
        (lambda path: path.write_bytes(WEIGHTS[:99]), "model.bin was cut off: it has 99 bytes instead of 300000"),
        (lambda path: path.unlink(), "model.bin is missing"),
        (lambda path: path.resolve().unlink(), "model.bin is missing"),
    ],
    ids=["corrupted", "truncated", "unlinked", "without its blob"],
)
async def test_a_file_that_is_not_right_is_named_and_pulling_again_repairs_it(
    desk: Desk, harm: Callable[[Path], object], says: str
) -> None:
    assert (await desk.run("pull", "whisper:small", f"piper:{VOICE}"))[0] == 0
    harm(desk.snapshot / "model.bin")
    status, out, _ = await desk.run("verify")
    assert status == 1
    assert says in out
    assert "whisper:small is not whole: parley models pull whisper:small" in out
    assert f"piper:{VOICE}: all right, 2 files" in out
    already = desk.hub.sent("config.json")
    assert (await desk.run("pull", "whisper:small"))[0] == 0
    assert (await desk.run("verify"))[0] == 0
    assert desk.hub.sent("config.json") == already


async def test_offline_nobody_is_asked(desk: Desk) -> None:
    status, _, errors = await desk.run("pull", "--offline", "whisper:small")
    assert (status, desk.hub.lists) == (1, 0)
    assert "whisper:small is not whole, and offline nothing is fetched" in errors
    assert (await desk.run("pull", "whisper:small"))[0] == 0
    (desk.snapshot / "model.bin").unlink()
    status, _, errors = await desk.command("pull", "whisper:small", HF_HUB_OFFLINE="1")
    assert status == 1
    assert "Missing: model.bin (300 kB)" in errors
    before = desk.hub.lists, len(desk.hub.served)
    assert (await desk.command("verify", HF_HUB_OFFLINE="1"))[0] == 1
    assert (await desk.command("list", HF_HUB_OFFLINE="1"))[0] == 0
    assert before == (desk.hub.lists, len(desk.hub.served)) == (1, 4)


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("whisper:some/thing", 401, "the hub does not give out some/thing (401)"),
        ("llm:some/thing", 403, "HF_TOKEN"),
        ("llm:no/such", 404, "the hub has no no/such (404)"),
        ("whisper:some/thing", 500, "the hub answers 500"),
    ],
)
async def test_a_refusal_of_the_hub_is_told(desk: Desk, name: str, status: int, says: str) -> None:
    desk.hub.refusals["some/thing"] = status
    code, _, errors = await desk.run("pull", name)
    assert code == 1
    assert says in errors
    assert errors.count("\n") == 1


async def test_a_voice_that_there_is_not_is_told_which_there_are(desk: Desk) -> None:
    _, _, errors = await desk.run("pull", "piper:en_US-lesac-medium")
    assert errors == f"parley: there is no voice en_US-lesac-medium; there are {VOICE}\n"
    _, _, errors = await desk.run("pull", "turn:some/turns:no.onnx")
    assert errors == "parley: some/turns has no no.onnx; there are other.onnx\n"


async def test_no_network_is_told_as_such(desk: Desk) -> None:
    code, _, errors = await desk.command("pull", "whisper:small", HF_ENDPOINT="http://127.0.0.1:9")
    assert code == 1
    assert errors.startswith("parley: http://127.0.0.1:9 cannot be reached (")
    assert "HF_ENDPOINT" in errors


async def test_a_disk_without_room_is_told_before_anything_is_fetched(desk: Desk) -> None:
    desk.hub.claimed_sizes["model.bin"] = 10**18
    code, _, errors = await desk.run("pull", "whisper:small")
    assert code == 1
    assert "1000000 TB are to be fetched, and the disk of" in errors
    assert "HF_HOME" in errors
    assert not desk.hub.served


async def test_a_folder_that_cannot_be_written_is_told(desk: Desk) -> None:
    desk.home.mkdir()
    (desk.home / "hub").write_text("no folder")
    code, _, errors = await desk.run("pull", "whisper:small")
    assert code == 1
    assert "cannot be written" in errors


async def test_two_who_fetch_the_same_file_do_not_mix_it(desk: Desk) -> None:
    desk.hub.breaks["model.bin"] = [-1]
    first = await desk.start(("pull", "whisper:small"), {})
    while not any(each.path == "model.bin" for each in desk.hub.served):
        await asyncio.sleep(0)
    code, _, errors = await desk.run("pull", "whisper:small")
    desk.hub.halted.set()
    await first.communicate()
    assert code == 1
    assert "another process is fetching model.bin" in errors
    assert first.returncode == 0


async def test_a_token_goes_to_the_hub_and_to_nobody_else(desk: Desk) -> None:
    assert (await desk.command("pull", "whisper:small", HF_TOKEN="hf_secret"))[0] == 0
    asked = {each.path: each.authorization for each in desk.hub.served}
    assert asked["config.json"] == "Bearer hf_secret"
    assert asked["model.bin"] == ""


async def test_a_list_that_leads_out_of_the_folder_is_refused(desk: Desk) -> None:
    desk.hub.files[SMALL]["../../../evil.json"] = b"!"
    code, _, errors = await desk.run("pull", "whisper:small")
    assert code == 1
    assert "cannot be used" in errors


async def test_models_of_other_programs_and_hands_are_seen_too(desk: Desk) -> None:
    cache = desk.cache / "models--Systran--faster-whisper-small"
    for path in ("blobs", f"snapshots/{COMMIT}", "refs"):
        (cache / path).mkdir(parents=True)
    (cache / "refs" / "main").write_text(COMMIT)
    for name, content in desk.hub.files[SMALL].items():
        blob = hashlib.sha256(content).hexdigest()
        (cache / "blobs" / blob).write_bytes(content)
        (cache / "snapshots" / COMMIT / name).symlink_to(f"../../blobs/{blob}")
    (desk.home / "voices").mkdir()
    (desk.home / "voices" / "xx_XX-mine-low.onnx").write_bytes(b"1")
    rows = await desk.rows()
    assert {name: row["state"] for name, row in rows.items()} == {
        "whisper:small": "whole", "piper:xx_XX-mine-low": "whole",
    }  # fmt: skip
    status, out, _ = await desk.run("verify")
    assert status == 0
    assert "whisper:small: all right, 4 files" in out
    assert "xx_XX-mine-low was not fetched with parley models pull" in out
    (desk.snapshot / "model.bin").write_bytes(b"!")
    assert (await desk.run("verify"))[0] == 1
    (desk.snapshot / "model.bin").unlink()
    assert (await desk.rows())["whisper:small"]["state"] == "incomplete"


async def test_a_newer_commit_takes_the_place_of_the_older_only_when_it_is_whole(desk: Desk) -> None:
    assert (await desk.run("pull", "whisper:small"))[0] == 0
    desk.hub.commit = "6" * 40
    desk.hub.files[SMALL]["model.bin"] = WEIGHTS[::-1]
    desk.hub.spoilt.add("model.bin")
    assert (await desk.run("pull", "whisper:small"))[0] == 1
    assert (await desk.run("verify", "whisper:small"))[0] == 0
    assert (await desk.rows())["whisper:small"]["folder"] == str(desk.snapshot)
    desk.hub.spoilt.clear()
    served = len(desk.hub.served)
    assert (await desk.run("pull", "whisper:small"))[0] == 0
    # What is the same in both is not fetched again.
    assert [each.path for each in desk.hub.served[served:]] == ["model.bin"]
    row = (await desk.rows())["whisper:small"]
    assert row["folder"] == str(desk.snapshot.parent / ("6" * 40))


async def test_what_the_settings_name_is_listed_even_when_it_is_missing(desk: Desk) -> None:
    assert (await desk.run("list"))[1] == "No models are here. Fetch one: parley models pull whisper:small\n"
    settings = {
        "PARLEY_ASR_ENGINE": "faster-whisper", "PARLEY_ASR_MODEL": "turbo",
        "PARLEY_LLM_ENGINE": "vllm", "PARLEY_LLM_MODEL": QWEN,
        "PARLEY_TTS_ENGINE": "piper", "PARLEY_TTS_VOICE": f"{VOICE}:3",
    }  # fmt: skip
    assert (await desk.run("pull", f"piper:{VOICE}"))[0] == 0
    rows = await desk.rows(**settings)
    assert {(name, row["state"], row["in_use"]) for name, row in rows.items()} == {
        ("whisper:turbo", "missing", True), (f"llm:{QWEN}", "missing", True), (f"piper:{VOICE}", "whole", True),
    }  # fmt: skip
    out = (await desk.command("list", **settings))[1]
    assert (
        f"piper:{VOICE}  50 kB, in use\n  {desk.home}/voices\n  PARLEY_TTS_ENGINE=piper PARLEY_TTS_VOICE={VOICE}\n"
        in out
    )
    assert "whisper:turbo  missing, and the settings name it\n  parley models pull whisper:turbo\n" in out


async def test_one_who_watches_sees_a_bar(desk: Desk) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = await desk.start(("pull", "whisper:small"), {}, theirs)
    out, _ = await process.communicate()
    assert process.returncode == 0, out
    seen = os.read(ours, 1 << 16).decode()
    os.close(theirs)
    os.close(ours)
    assert "model.bin: " in seen
    assert "fetching" not in seen


async def test_a_missing_package_is_named_with_its_extra(desk: Desk, tmp_path: Path) -> None:
    # A Python that sees what is installed, but not this one package.
    hide = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'huggingface_hub' else find(name, package)\n"
        "from parley_cli import main; sys.exit(main(['models', 'list']))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", hide, env=desk.environment(), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert (
        errors.decode() == "parley: huggingface_hub is not installed: pip install '.[models]' in the folder of Parley\n"
    )


def test_two_names_of_one_model_are_one_model() -> None:
    assert parse("whisper:turbo").identity == parse("whisper:large-v3-turbo").identity
    assert parse(f"whisper:{SMALL}").identity == Model(parse("whisper:small").kind, "small").identity
    assert parse("piper:en_US-a-low").identity != parse("piper:en_US-b-low").identity
