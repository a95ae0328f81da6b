"""Documents, compose, manifests and code have the same variables, ports and names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from parley._variables import KNOWN, PORTS
from tests.deploy.conftest import DEPLOYED
from tests.deploy.dockerfile import Dockerfile

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "deploy.md"
DOCUMENTS = (GUIDE, *sorted((ROOT / "deploy").rglob("README.md")))
FILES = (ROOT / "compose.yaml", ROOT / "docker-bake.hcl", *sorted((ROOT / "deploy").rglob("*.y*ml")))
IMAGES = set(Dockerfile.read(ROOT / "deploy" / "images" / "Dockerfile").images)
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
# Of what stands beside Parley: the stack of deploy/observability, endpoints, an API server, Redis, names to look up.
OTHERS = {53, 443, 3100, 3200, 4317, 4318, 6379, 6443, 8000, 8080, 8888, 8889, 9090, 9096, 9097, 9104, 11434, 13133}
OTHERS |= {3000, 14317, 14888, 16685, 16686}
PORT = re.compile(r"(?:[Pp]ort:? |containerPort: |localhost:|127\.0\.0\.1:|[a-z]:)(\d{4,5})\b")

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
each_file = pytest.mark.parametrize("path", [*DOCUMENTS, *FILES], ids=lambda path: str(path.relative_to(ROOT)))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def anchors(path: Path) -> set[str]:
    """Of its headings, as they are linked to."""
    heads = re.findall(r"^#+ (.+)$", read(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads}


@each_file
def test_a_variable_of_parley_that_is_named_is_one_that_is_read(path: Path) -> None:
    assert set(re.findall(r"\bPARLEY_[A-Z0-9_]*[A-Z0-9]\b(?!\*)", read(path))) - KNOWN == set()


@each_file
def test_a_port_that_is_named_is_one_that_somebody_has(path: Path) -> None:
    assert {int(port) for port in PORT.findall(read(path))} - set(PORTS.values()) - OTHERS == set()


def test_the_guide_has_the_ports_of_every_process_and_its_images() -> None:
    table = read(GUIDE).partition("## What runs")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:2] == "| "][
        1:
    ]
    found = {row[0].split()[0].lower(): row for row in rows}
    assert found.keys() == DEPLOYED.keys()
    for name, deployed in DEPLOYED.items():
        assert {int(port) for port in re.findall(r"\d{4,5}", found[name][2])} == deployed.ports
        assert set(re.findall(r"`([\w-]+)`", found[name][1])) == {
            image for image in IMAGES if image.split("-")[0] == name
        }


def test_the_guide_has_every_variable_that_compose_asks_for_and_no_other() -> None:
    asked = set(re.findall(r"\$\{(\w+)", read(ROOT / "compose.yaml")))
    table = read(GUIDE).partition("## One machine")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)(?:=\S*)?`", row)} == asked


def test_a_default_that_the_guide_names_is_that_of_compose() -> None:
    text = read(ROOT / "compose.yaml")
    assert "${PARLEY_MAX_SESSIONS:-auto}" in text
    assert "${PARLEY_GATEWAY_PORT:-8080}" in text
    assert f"{COMPOSE['name']}_models:/models" in read(GUIDE)
    assert re.search(r"`PARLEY_MAX_SESSIONS` \| .*event loop.*, if nothing is said", read(GUIDE))
    assert "another port than 8080" in read(GUIDE)


def test_profiles_and_services_that_the_guide_starts_are_there() -> None:
    profiles = {profile for each in COMPOSE["services"].values() for profile in each.get("profiles", [])}
    commands = re.findall(r"docker compose (.+)", read(GUIDE) + read(ROOT / "compose.yaml"))
    assert commands
    for command in commands:
        assert set(re.findall(r"--profile (\w+)", command)) <= profiles
        for service in re.findall(r"[ ]([a-z]+-(?:cpu|gpu))\b", command):
            assert service in COMPOSE["services"]


@each_document
def test_a_path_that_is_linked_to_or_applied_is_there(path: Path) -> None:
    text = read(path)
    written = {f"deploy/k8s/overlays/{name}" for name in re.findall(r"# deploy/k8s/overlays/([\w-]+)/", text)}
    applied = set(re.findall(r"\bdeploy/k8s/[\w/.-]*\w", text)) - written
    assert {each for each in applied if not (ROOT / each).exists() and not each.startswith(tuple(written))} <= {
        # The publisher's, see deploy/images/digests.py.
        "deploy/k8s/components/digests"
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


def test_the_readme_of_the_manifests_has_every_component_and_overlay() -> None:
    folder = ROOT / "deploy" / "k8s"
    rows = re.findall(
        r"^\| (?:\[([\w-]+)\]\(components/\1/README\.md\)|`([\w-]+)`) \|", read(folder / "README.md"), re.MULTILINE
    )
    there = {path.name for kind in ("components", "overlays") for path in (folder / kind).iterdir()}
    assert {component or overlay for component, overlay in rows} == there - {"digests"}


@each_document
def test_an_image_of_parley_that_is_named_is_built(path: Path) -> None:
    assert set(re.findall(r"registry\.example/parley/([\w-]+)", read(path))) <= IMAGES
