"""What others' checkers say of the manifests: nothing but what has a reason."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.deploy.dockerfile import Dockerfile
from tests.deployed.checkers import EXCEPTIONS, ROOT, Finding, checkov, exceptions, yamllint
from tests.deployed.manifests import BUILT, build

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.deployed.manifests import Resource

DOCKERFILE = Dockerfile.read(ROOT / "deploy" / "images" / "Dockerfile")
# It reads every built overlay, in a process that takes some seconds to start.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """Of all overlays as kustomize builds them, each by itself: a policy of one is none of another's."""
    folder = tmp_path_factory.mktemp("built")
    files = [written(folder / f"{overlay}.yaml", build(overlay)) for overlay in BUILT]
    return [finding for file in files for finding in checkov(file)]


def written(path: Path, resources: Iterable[Resource]) -> Path:
    path.write_text(yaml.safe_dump_all(resources), encoding="utf-8")
    return path


def unexcused(found: list[Finding]) -> list[Finding]:
    return [each for each in found if not any(exception.covers(each) for exception in exceptions())]


def test_checkov_finds_nothing_but_what_has_a_reason(findings: list[Finding]) -> None:
    assert {each.overlay for each in findings} == set(BUILT)
    assert unexcused(findings) == []


def test_what_is_excepted_is_really_found_and_has_a_reason(findings: list[Finding]) -> None:
    for line in yaml.safe_load(EXCEPTIONS.read_text(encoding="utf-8")):
        assert len(line["why"]) > len(line["title"]) > 0
    for exception in exceptions():
        for place in exception.of:
            assert any(exception._replace(of=(place,)).covers(each) for each in findings), (exception.check, place)


def test_a_container_that_may_do_anything_is_found(tmp_path: Path) -> None:
    resources = copy.deepcopy(build("demo"))
    [asr] = [each for each in resources if (each["kind"], each["metadata"]["name"]) == ("Deployment", "asr")]
    asr["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    found = checkov(written(tmp_path / "demo.yaml", resources))
    assert Finding("CKV_K8S_16", "demo", "Deployment.parley.asr") in unexcused(found)


def test_the_bill_of_materials_of_an_image_has_every_package_of_its_lock_with_its_hashes(tmp_path: Path) -> None:
    subprocess.run(["make", "--directory", ROOT, "sbom", f"FOLDER={tmp_path}"], capture_output=True, check=True)
    locks = sorted((ROOT / "locks" / "images").glob("*.txt"))
    written = {path.name.removesuffix(".cdx.json") for path in tmp_path.iterdir()}
    assert written == {path.stem for path in locks} - {"build", "overrides"} == set(DOCKERFILE.images)
    for image in written:
        bill = json.loads((tmp_path / f"{image}.cdx.json").read_text(encoding="utf-8"))
        text = (ROOT / "locks" / "images" / f"{image}.txt").read_text(encoding="utf-8")
        listed = {f"{each['name']}=={each['version']}" for each in bill["components"]}
        assert listed == set(re.findall(r"^[\w.-]+==[\w.+]+", re.sub(r"\[.*?\]", "", text), re.MULTILINE))
        hashes = {each["content"] for part in bill["components"] for each in part["externalReferences"][0]["hashes"]}
        assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", text))


def test_yaml_is_what_it_looks_like() -> None:
    files = [path for kind in ("yaml", "yml") for path in (ROOT / "deploy").rglob(f"*.{kind}")]
    assert yamllint([ROOT / "compose.yaml", *files]) == []


def test_a_key_that_is_there_twice_is_found(tmp_path: Path) -> None:
    (tmp_path / "twice.yaml").write_text("kind: Pod\nspec: {}\nkind: Job\n", encoding="utf-8")
    [said] = yamllint([tmp_path / "twice.yaml"])
    assert 'duplication of key "kind" in mapping' in said
