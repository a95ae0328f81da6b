"""What happens to pods when a setting, a node or the load changes: every state in between is seen through the API."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.deployed.cluster import APPLY, NAMESPACE, PATIENCE, State
from tests.deployed.manifests import K8S, of_kind
from tests.deployed.nodes import GPUS, PROCESSORS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deployed.cluster import Cluster
    from tests.deployed.conftest import Applied
    from tests.deployed.manifests import Resource

pytestmark = pytest.mark.timeout(900)
PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"
REPLICA_SETS: Final = f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets"
PROCESSES: Final = ("gateway", "asr", "llm", "tts")


def on(*overlays: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("applied", overlays, indirect=True)


def of(name: str, state: State) -> list[Resource]:
    """Pods, or sets of them, of a process that are not about to go."""
    return [
        each
        for each in state.values()
        if each["metadata"]["labels"]["app.kubernetes.io/name"] == name and "deletionTimestamp" not in each["metadata"]
    ]


def ready(name: str, state: State) -> int:
    """How many of a process are."""
    return sum(
        (condition["type"], condition["status"]) == ("Ready", "True")
        for pod in of(name, state)
        for condition in pod["status"].get("conditions", [])
    )


def are_ready(state: State, wanted: dict[str, int]) -> bool:
    return all(ready(name, state) == count for name, count in wanted.items())


def replicas(cluster: Cluster) -> dict[str, int]:
    found = {each["metadata"]["name"]: each["spec"]["replicas"] for each in cluster.items("deployments")}
    return {name: found[name] for name in PROCESSES}


def overlay_with(folder: Path, overlay: str, **more: object) -> Path:
    """An overlay of one's own, made of another one and some more."""
    written = {"namespace": NAMESPACE, "resources": [path_from(folder, K8S / "overlays" / overlay)], **more}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(written), encoding="utf-8")
    return folder


def path_from(folder: Path, target: Path) -> str:
    """As kustomize wants it."""
    return os.path.relpath(target, folder.resolve())


@on("cpu", "production-gpu")
def test_a_changed_setting_replaces_its_process_as_the_strategy_says_and_no_other(
    applied: Applied, tmp_path: Path
) -> None:
    cluster, wanted = applied.cluster, replicas(applied.cluster)
    # A GPU pod goes before its successor comes, since it has the GPU; any other stays until its successor is ready.
    spare = 0 if applied.overlay == "production-gpu" else 1
    with cluster.watch(PODS) as watch, cluster.watch(REPLICA_SETS) as sets:
        before = set(watch.state)
        others = {name for name in before if not name.startswith("asr-")}
        setting = {"name": "asr", "behavior": "merge", "literals": ["PARLEY_LOG_LEVEL=DEBUG"]}
        own = overlay_with(tmp_path, applied.overlay, configMapGenerator=[setting])
        cluster.do(*APPLY, "-k", str(own))
        states = watch.until(lambda state: are_ready(state, wanted) and before & set(state) == others)
        old = sets.state
        replaced = sets.until(lambda state: is_replaced("asr", state, old, wanted["asr"]))
    for state in states:
        assert others <= set(state)
        assert ready("asr", state) >= wanted["asr"] - 1 + spare
    # Asked for, since of pods there may be one more for a moment: the old set and the new one are looked after apart.
    assert max(asked("asr", state) for state in replaced) == wanted["asr"] + spare


def asked(name: str, state: State) -> int:
    """How many pods all sets of a process ask for."""
    return sum(each["spec"]["replicas"] for each in of(name, state))


def is_replaced(name: str, state: State, before: State, wanted: int) -> bool:
    """Whether all pods of a process are of a new set, and ready."""
    fresh = [each for each in of(name, state) if each["metadata"]["name"] not in before]
    running: int = sum(each["status"].get("readyReplicas", 0) for each in fresh)
    return wanted == asked(name, state) == running


@on("cpu")
def test_a_node_that_is_drained_takes_one_pod_of_a_process_after_the_other(applied: Applied) -> None:
    cluster, wanted = applied.cluster, replicas(applied.cluster)
    drained, *others = PROCESSORS
    try:
        cluster.do("cordon", *others)
        with cluster.watch(PODS) as watch:
            cluster.do(
                "delete", "pods", "-n", NAMESPACE, *(each for name in PROCESSES for each in names(name, watch.state))
            )
            watch.until(lambda state: are_ready(state, wanted) and on_nodes(state) == {drained})
            cluster.do("uncordon", *others)
            cluster.settle()
            gone = cluster.run("drain", drained, "--delete-emptydir-data", PATIENCE)
            assert gone.returncode == 0, gone.stderr
            states = watch.until(lambda state: are_ready(state, wanted) and drained not in on_nodes(state))
    finally:
        cluster.do("uncordon", *PROCESSORS)
    for state in states:
        for name in PROCESSES:
            assert ready(name, state) >= wanted[name] - 1


def names(process: str, state: State) -> list[str]:
    return [pod["metadata"]["name"] for pod in of(process, state)]


def on_nodes(state: State) -> set[str]:
    return {pod["spec"].get("nodeName", "none") for name in PROCESSES for pod in of(name, state)}


@on("cpu")
@pytest.mark.parametrize("process", PROCESSES)
def test_a_second_pod_of_a_process_is_not_evicted_before_the_first_has_a_successor(
    applied: Applied, process: str
) -> None:
    cluster = applied.cluster
    first, second = names(process, {each["metadata"]["name"]: each for each in cluster.items("pods")})
    budget = ("-n", NAMESPACE, f"poddisruptionbudget/{process}", PATIENCE)
    allowed = "--for=jsonpath={.status.disruptionsAllowed}"
    cluster.do("wait", *budget, f"{allowed}=1")
    try:
        # Nowhere may a successor begin.
        cluster.do("cordon", *PROCESSORS)
        evict(cluster, first)
        cluster.do("wait", *budget, f"{allowed}=0")
        told = cluster.refused(*evicting(second), given=eviction(second))
        assert "disruption budget" in told
    finally:
        cluster.do("uncordon", *PROCESSORS)
    cluster.do("wait", *budget, f"{allowed}=1")
    evict(cluster, second)
    cluster.settle()


def evict(cluster: Cluster, pod: str) -> None:
    cluster.do(*evicting(pod), given=eviction(pod))


def evicting(pod: str) -> tuple[str, ...]:
    return ("create", "--raw", f"{PODS}/{pod}/eviction", "-f", "-")


def eviction(pod: str) -> Resource:
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}


@on("production-gpu")
def test_how_many_there_are_is_the_scalers_and_an_update_leaves_it_alone(applied: Applied) -> None:
    cluster = applied.cluster
    scaled = {each["spec"]["scaleTargetRef"]["name"]: each for each in cluster.items("scaledobjects")}
    assert set(scaled) == set(PROCESSES)
    cluster.apply(*map(autoscaler, scaled.values()))
    least = {name: each["spec"]["minReplicaCount"] for name, each in scaled.items()}
    for name, count in least.items():
        wait = ("wait", f"deployment/{name}", "-n", NAMESPACE, f"--for=jsonpath={{.spec.replicas}}={count}", PATIENCE)
        cluster.do(*wait)
    cluster.do(*APPLY, "-k", str(K8S / "overlays" / applied.overlay))
    cluster.settle()
    assert replicas(cluster) == least
    # Each has a GPU of its own.
    running = {each["metadata"]["name"]: each for each in cluster.items("pods")}
    on_gpus = [each["spec"]["nodeName"] for name in PROCESSES for each in of(name, running)]
    on_gpus = [node for node in on_gpus if node in GPUS]
    assert len(on_gpus) == len(set(on_gpus)) == least["asr"] + least["llm"] + least["tts"]


def autoscaler(scaled: Resource) -> Resource:
    """What KEDA makes of a ScaledObject; nobody gives it the metric here, so it brings the smallest number."""
    spec, name = scaled["spec"], scaled["metadata"]["name"]
    target = {"type": "AverageValue", "averageValue": spec["triggers"][0]["metadata"]["threshold"]}
    metric = {"name": "s0-prometheus", "selector": {"matchLabels": {"scaledobject.keda.sh/name": name}}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": f"keda-hpa-{name}", "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", **spec["scaleTargetRef"]},
            "minReplicas": spec["minReplicaCount"],
            "maxReplicas": spec["maxReplicaCount"],
            "behavior": spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
            "metrics": [{"type": "External", "external": {"metric": metric, "target": target}}],
        },
    }


@on("cpu")
def test_what_is_scaled_by_hand_keeps_its_pods_when_a_scaler_is_added(applied: Applied, tmp_path: Path) -> None:
    cluster = applied.cluster
    cluster.do("scale", "deployment", *PROCESSES, "--replicas=3", "-n", NAMESPACE)
    own = overlay_with(tmp_path, applied.overlay, components=[path_from(tmp_path, K8S / "components" / "keda")])
    cluster.do(*APPLY, "-k", str(own))
    assert replicas(cluster) == dict.fromkeys(PROCESSES, 3)


@on("cpu", "production-gpu")
def test_other_models_are_fetched_once_the_job_that_fetched_the_last_ones_is_deleted(
    applied: Applied,
) -> None:
    cluster = applied.cluster
    [job] = of_kind(applied.overlay, "Job")
    pod = job["spec"]["template"]["spec"]
    other = {**pod["containers"][0], "args": ["pull", "whisper:tiny"]}
    template = {**job["spec"]["template"], "spec": {**pod, "containers": [other]}}
    changed = {**job, "spec": {**job["spec"], "template": template}}
    assert "field is immutable" in cluster.refused(*APPLY, "-f", "-", given=changed)
    cluster.do("delete", "job", "models", "-n", NAMESPACE)
    cluster.apply(changed)
    cluster.settle()
