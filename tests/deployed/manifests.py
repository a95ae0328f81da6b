"""The manifests as they would be applied: kustomize builds them, and the tests read what comes out."""

from __future__ import annotations

import copy
import functools
import re
import shutil
import subprocess
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.deployed.parts import program

ROOT: Final = Path(__file__).resolve().parents[2]
K8S: Final = ROOT / "deploy" / "k8s"
_YAML: Final = re.compile(r"^ *```yaml\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
OVERLAYS: Final = tuple(sorted(path.name for path in (K8S / "overlays").iterdir()))
COMPONENTS: Final = tuple(sorted(path.name for path in (K8S / "components").iterdir()))
EXAMPLES: Final = {
    "my-cluster": (Path("docs/deploy.md"), "my-cluster"),
    "air-gapped": (Path("docs/deploy.md"), "air-gapped"),
    "external-llm": (Path("deploy/k8s/components/external-llm/README.md"), "my-cluster"),
    "vllm-tensor-parallel": (Path("deploy/k8s/components/vllm-tensor-parallel/README.md"), "my-cluster"),
}
"""Overlays that a document has: which document, and how they are called there."""
BUILT: Final = (*OVERLAYS, *EXAMPLES)

Resource = dict[str, Any]
Place = tuple[str | int, ...]


def changed(resource: Resource, place: Place, value: object) -> Resource:
    """A copy with one field set."""
    copied = copy.deepcopy(resource)
    around: Any = copied
    for step in place[:-1]:
        around = around[step]
    around[place[-1]] = value
    return copied


@dataclass(frozen=True, slots=True)
class Pod:
    """What a Deployment or a Job makes."""

    name: str
    owner: Resource
    spec: Resource
    labels: dict[str, str]

    @property
    def container(self) -> Resource:
        [found] = self.spec["containers"]
        return dict(found)

    @property
    def image(self) -> str:
        """Without registry and tag."""
        return str(self.container["image"]).rpartition("/")[2].partition(":")[0]

    @property
    def ports(self) -> dict[str, int]:
        return {each["name"]: each["containerPort"] for each in self.container.get("ports", [])}


@functools.cache
def build(overlay: str) -> tuple[Resource, ...]:
    """All resources of an overlay, or of one in a document."""
    if overlay not in EXAMPLES:
        return _kustomize(K8S / "overlays" / overlay)
    with tempfile.TemporaryDirectory() as folder:
        return _kustomize(_example(overlay, Path(folder)))


def _example(name: str, folder: Path) -> Path:
    """An overlay of a document, beside all others of that document and of the repository."""
    document, wanted = EXAMPLES[name]
    shutil.copytree(K8S, folder / "k8s")
    text = (ROOT / document).read_text(encoding="utf-8")
    for block in (textwrap.dedent(each) for each in _YAML.findall(text)):
        if place := re.match(r"# deploy/k8s/overlays/(\S+)/kustomization\.yaml\n", block):
            (folder / "k8s" / "overlays" / place[1]).mkdir()
            (folder / "k8s" / "overlays" / place[1] / "kustomization.yaml").write_text(block, encoding="utf-8")
    return folder / "k8s" / "overlays" / wanted


def _kustomize(folder: Path) -> tuple[Resource, ...]:
    command = [str(program("kubectl")), "kustomize", str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (built.returncode, built.stderr) == (0, "")
    return tuple(yaml.load_all(built.stdout, Loader=yaml.CSafeLoader))


def of_kind(overlay: str, kind: str) -> list[Resource]:
    return [each for each in build(overlay) if each["kind"] == kind]


def pods(overlay: str) -> list[Pod]:
    """Pods of all Deployments and Jobs."""
    owners = [*of_kind(overlay, "Deployment"), *of_kind(overlay, "Job")]
    templates = [(owner, owner["spec"]["template"]) for owner in owners]
    return [
        Pod(owner["metadata"]["name"], owner, template["spec"], template["metadata"]["labels"])
        for owner, template in templates
    ]


def settings(overlay: str, pod: Pod) -> dict[str, str]:
    """What a pod's configuration map sets."""
    names = {each["configMapRef"]["name"] for each in pod.container.get("envFrom", []) if "configMapRef" in each}
    maps = [each for each in of_kind(overlay, "ConfigMap") if each["metadata"]["name"] in names]
    assert len(maps) == len(names)
    return {key: value for each in maps for key, value in each["data"].items()}


def selects(selector: Resource, labels: dict[str, str]) -> bool:
    """Whether a label selector selects; it must have something in it."""
    assert selector
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    for each in selector.get("matchExpressions", []):
        assert each["operator"] == "In"
        if labels.get(each["key"]) not in each["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def flows(overlay: str) -> set[tuple[str, str, int]]:
    """Who may speak to whom on which port, by the policies on both sides; pods of other namespaces by its name."""
    out, into = _rules(overlay, "egress", "to"), _rules(overlay, "ingress", "from")
    inside = {pod.name for pod in pods(overlay)}
    both = {(source, target, port) for source, target, port in out if (target, source, port) in into}
    outside = {(source, target, port) for source, target, port in out if target not in inside}
    outside |= {(source, target, port) for target, source, port in into if source not in inside}
    return both | outside


def _rules(overlay: str, side: str, peers: str) -> set[tuple[str, str, int]]:
    """(pod, peer, port) that some policy lets through on one side."""
    return {
        (pod.name, peer, port["port"])
        for policy in of_kind(overlay, "NetworkPolicy")
        for rule in policy["spec"].get(side, [])
        for pod in pods(overlay)
        if selects(policy["spec"]["podSelector"], pod.labels)
        for peer in _peers(overlay, rule.get(peers))
        for port in rule["ports"]
    }


def _peers(overlay: str, peers: list[Resource] | None) -> list[str]:
    if peers is None:
        return ["anyone"]
    found = []
    for peer in peers:
        match peer:
            case {"podSelector": selector, **rest} if not rest:
                found += [pod.name for pod in pods(overlay) if selects(selector, pod.labels)]
            case {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}, **rest} if not rest:
                found.append(name)
            case {"ipBlock": _}:
                found.append("internet")
            case _:
                raise AssertionError(peer)
    return found
