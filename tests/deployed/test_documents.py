"""What docs/deploy.md has a reader write and apply is valid, and does what it is for."""

from __future__ import annotations

import re
import textwrap

import kubernetes_validate
import yaml

from tests.deployed.manifests import K8S, ROOT, build, of_kind, pods, settings

TEXT = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"^ *```yaml\n(.*?)^ *```", TEXT, re.DOTALL | re.MULTILINE)]


def test_every_image_of_the_reader_s_cluster_comes_from_the_reader_s_registry() -> None:
    images = {pod.container["image"] for pod in pods("my-cluster")}
    assert all(image.startswith("registry.example/") for image in images)
    # The command that lists them for a registry without the internet sees them all.
    [command] = re.findall(r"sed -n 's/(.*)//p' \| sort -u", TEXT)
    written = yaml.safe_dump_all(build("my-cluster"))
    found = {line[len(match[0]) :] for line in written.splitlines() if (match := re.match(command.rstrip("/"), line))}
    assert found == images


def test_the_reader_s_cluster_is_opened_by_the_reader_s_name_and_gateway() -> None:
    [route] = of_kind("my-cluster", "HTTPRoute")
    [gateway] = [pod for pod in pods("my-cluster") if pod.name == "gateway"]
    assert settings("my-cluster", gateway)["PUBLIC_HOSTS"].split(",") == route["spec"]["hostnames"]
    assert route["spec"]["hostnames"] != of_kind("production-gpu", "HTTPRoute")[0]["spec"]["hostnames"]
    assert of_kind("my-cluster", "PersistentVolumeClaim")[0]["spec"]["storageClassName"]
    assert all(each["imagePullSecrets"] == [{"name": "registry"}] for each in of_kind("my-cluster", "ServiceAccount"))


def test_every_secret_that_a_manifest_asks_for_is_in_the_table_and_made_by_a_command() -> None:
    asked = {
        each["secretRef"]["name"]
        for pod in pods("my-cluster")
        for each in pod.container.get("envFrom", [])
        if "secretRef" in each
    } | {each["name"] for account in of_kind("my-cluster", "ServiceAccount") for each in account["imagePullSecrets"]}
    table = TEXT.partition("| Secret |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == asked
    assert set(re.findall(r"create secret (?:generic|docker-registry) (\w+)", TEXT)) == asked


def test_what_the_cluster_must_have_is_said_of_every_component_of_the_overlay() -> None:
    overlay = yaml.safe_load((K8S / "overlays" / "production-gpu" / "kustomization.yaml").read_text(encoding="utf-8"))
    table = TEXT.partition("| component |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == {
        each.rpartition("/")[2] for each in overlay["components"]
    }


def test_the_number_of_gpus_is_that_of_the_scaling() -> None:
    scaled = {each["metadata"]["name"]: each["spec"] for each in of_kind("production-gpu", "ScaledObject")}
    on_gpus = [scaled[pod.name] for pod in pods("production-gpu") if pod.image.endswith("-cuda")]
    fewest, most = (sum(each[key] for each in on_gpus) for key in ("minReplicaCount", "maxReplicaCount"))
    assert (fewest, most) == (5, 28)
    assert "five at first (two, one, two), up to 28" in TEXT


def test_without_the_internet_nothing_fetches_models_and_all_else_is_there() -> None:
    assert {pod.name for pod in pods("my-cluster")} - {pod.name for pod in pods("air-gapped")} == {"models"}
    assert of_kind("air-gapped", "Job") == []
    assert of_kind("air-gapped", "PersistentVolumeClaim")


def test_the_pod_that_fills_the_volume_is_restricted_and_runs_what_the_job_runs() -> None:
    [pod] = [found for block in BLOCKS if (found := yaml.safe_load(block)).get("kind") == "Pod"]
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)
    [job] = [each for each in pods("my-cluster") if each.name == "models"]
    [container] = pod["spec"]["containers"]
    assert pod["spec"]["securityContext"] == job.spec["securityContext"]
    assert container["securityContext"] == job.container["securityContext"]
    assert container["image"] == job.container["image"]
    claims = [each["persistentVolumeClaim"] for each in pod["spec"]["volumes"] if "persistentVolumeClaim" in each]
    assert claims == [{"claimName": of_kind("air-gapped", "PersistentVolumeClaim")[0]["metadata"]["name"]}]
    pulled = set(re.findall(r"(?:whisper|llm|piper):\S+", TEXT.partition("## Models without")[2]))
    assert pulled == set(job.container["args"][1:])
