"""Every overlay on a real control plane: it is taken as it is, and its pods go where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deployed.cluster import APPLY, NAMESPACE
from tests.deployed.manifests import EXAMPLES, K8S, Place, build, changed
from tests.deployed.nodes import GPUS, PROCESSORS

if TYPE_CHECKING:
    from tests.deployed.conftest import Applied
    from tests.deployed.manifests import Resource

# The first test of all starts the control plane.
pytestmark = pytest.mark.timeout(900)


def wants_gpu(pod: Resource) -> bool:
    return any("nvidia.com/gpu" in each["resources"].get("limits", {}) for each in pod["spec"]["containers"])


def test_every_pod_runs_on_a_gpu_node_if_it_wants_a_gpu_and_only_then(applied: Applied) -> None:
    are_where_they_belong(applied)


@pytest.mark.parametrize("applied", EXAMPLES, indirect=True)
def test_an_overlay_of_a_document_is_taken_and_its_pods_go_where_they_belong(applied: Applied) -> None:
    are_where_they_belong(applied)


def are_where_they_belong(applied: Applied) -> None:
    pods = applied.cluster.items("pods")
    assert {pod["metadata"]["name"]: pod["spec"]["nodeName"] in GPUS for pod in pods} == {
        pod["metadata"]["name"]: wants_gpu(pod) for pod in pods
    }
    assert all(pod["spec"]["nodeName"] in (*GPUS, *PROCESSORS) for pod in pods)
    asked = {each["metadata"]["name"]: each["spec"]["replicas"] for each in applied.cluster.items("deployments")}
    asked |= {each["metadata"]["name"]: 1 for each in applied.cluster.items("jobs")}
    names = [pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in pods]
    assert {name: names.count(name) for name in names} == asked


def test_a_gpu_is_asked_for_where_the_overlay_says_so(applied: Applied) -> None:
    on_gpus = {
        pod["metadata"]["labels"]["app.kubernetes.io/name"] for pod in applied.cluster.items("pods") if wants_gpu(pod)
    }
    assert on_gpus == ({"asr", "llm", "tts"} if applied.overlay == "production-gpu" else set())


def test_replicas_are_on_nodes_of_their_own(applied: Applied) -> None:
    found = [
        (pod["metadata"]["labels"]["app.kubernetes.io/name"], pod["spec"]["nodeName"])
        for pod in applied.cluster.items("pods")
    ]
    assert len(set(found)) == len(found)


def test_a_service_leads_to_the_pods_of_its_name(applied: Applied) -> None:
    pods = applied.cluster.items("pods")
    for service in applied.cluster.items("services"):
        name = service["metadata"]["name"]
        wanted = {
            (pod["status"]["podIP"], port["containerPort"])
            for pod in pods
            if pod["metadata"]["labels"]["app.kubernetes.io/name"] == name
            for port in pod["spec"]["containers"][0]["ports"]
        }
        found = {
            (address, port["port"])
            for each in applied.cluster.items("endpointslices", "-l", f"kubernetes.io/service-name={name}")
            for endpoint in each["endpoints"]
            for address in endpoint["addresses"]
            for port in each["ports"]
            if endpoint["conditions"]["ready"]
        }
        assert found == wanted != set()


def test_applying_it_again_changes_nothing(applied: Applied) -> None:
    kinds = ",".join(sorted({each["kind"] for each in build(applied.overlay)} - {"Namespace"}))
    before = {
        (each["kind"], each["metadata"]["name"]): (each["metadata"]["uid"], each["metadata"].get("generation"))
        for each in applied.cluster.items(kinds)
    }
    folder = str(K8S / "overlays" / applied.overlay)
    applied.cluster.do(*APPLY, "-k", folder)
    assert applied.cluster.do("diff", "--server-side", "-k", folder) == ""
    after = {
        (each["kind"], each["metadata"]["name"]): (each["metadata"]["uid"], each["metadata"].get("generation"))
        for each in applied.cluster.items(kinds)
    }
    assert after == before


def test_models_have_a_volume_and_their_job_is_done_once(applied: Applied) -> None:
    claims = applied.cluster.items("persistentvolumeclaims")
    jobs = applied.cluster.items("jobs")
    assert [each["status"]["phase"] for each in claims] == ([] if applied.overlay == "demo" else ["Bound"])
    assert [each["status"]["succeeded"] for each in jobs] == ([] if applied.overlay == "demo" else [1])


# What no restricted pod may.
_LOOSER: list[tuple[str, Place, object]] = [
    ("privileged", ("spec", "containers", 0, "securityContext"), {"privileged": True}),
    ("hostNetwork", ("spec", "hostNetwork"), True),
    ("hostPath", ("spec", "volumes", 0), {"name": "tmp", "hostPath": {"path": "/"}}),
    ("runAsNonRoot", ("spec", "securityContext", "runAsNonRoot"), False),
    ("seccompProfile", ("spec", "securityContext", "seccompProfile"), {"type": "Unconfined"}),
    ("capabilities", ("spec", "containers", 0, "securityContext", "capabilities"), {"add": ["NET_ADMIN"]}),
    ("allowPrivilegeEscalation", ("spec", "containers", 0, "securityContext", "allowPrivilegeEscalation"), True),
]


@pytest.mark.parametrize(("why", "path", "value"), _LOOSER, ids=[why for why, _, _ in _LOOSER])
def test_a_pod_that_may_do_more_is_not_let_in(applied: Applied, why: str, path: Place, value: object) -> None:
    template = applied.cluster.item("deployment", "gateway")["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": "other", "namespace": NAMESPACE}}
    create = ("create", "--dry-run=server", "-f", "-")
    applied.cluster.do(*create, given=pod)
    told = applied.cluster.refused(*create, given=changed(pod, path, value))
    assert 'violates PodSecurity "restricted' in told
    assert why in told


def test_a_deployment_whose_pods_may_do_more_is_warned_of_and_gets_none(applied: Applied) -> None:
    [gateway] = [each for each in build(applied.overlay) if (each["kind"], name_of(each)) == ("Deployment", "gateway")]
    labels = {"app.kubernetes.io/name": "other"}
    other = changed(gateway, ("metadata", "name"), "other")
    other = changed(other, ("spec", "selector", "matchLabels"), labels)
    other = changed(other, ("spec", "template", "metadata", "labels"), labels)
    other = changed(other, ("spec", "template", "spec", "containers", 0, "securityContext"), {"privileged": True})
    done = applied.cluster.run("create", "-f", "-", given=other)
    assert 'would violate PodSecurity "restricted' in done.stderr
    of_it = ("-n", NAMESPACE, "deployment/other")
    try:
        applied.cluster.do("wait", *of_it, "--for=condition=ReplicaFailure", "--timeout=240s")
        assert applied.cluster.items("pods", "-l", "app.kubernetes.io/name=other") == []
    finally:
        applied.cluster.do("delete", *of_it)


def name_of(resource: Resource) -> str:
    return str(resource["metadata"]["name"])


_BROKEN: list[tuple[str, Place, object]] = [
    ("Deployment", ("spec", "template", "spec", "termintionGracePeriodSeconds"), 30),
    ("Deployment", ("spec", "template", "spec", "containers", 0, "livenessProbe", "periodSeconds"), "often"),
    ("Deployment", ("spec", "template", "spec", "serviceAccount_name"), "asr"),
    ("Deployment", ("spec", "selector", "matchLabels"), {"app.kubernetes.io/name": "another"}),
    ("Service", ("spec", "ports", 0, "port"), "http"),
    ("PodDisruptionBudget", ("spec", "maxUnavaliable"), 1),
    ("NetworkPolicy", ("spec", "policyType"), ["Ingress"]),
    ("Job", ("spec", "backofLimit"), 1),
    ("PersistentVolumeClaim", ("spec", "accessModes"), ["ReadWriteSome"]),
    ("ScaledObject", ("spec", "poolingInterval"), 10),
    ("ScaledObject", ("spec", "triggers", 0, "metadata", "threshold"), 2),
    ("HTTPRoute", ("spec", "rules", 0, "timeouts", "request"), "none"),
    ("HTTPRoute", ("spec", "rules", 0, "matches", 0, "path", "type"), "Prefix"),
    ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "ports"), "http"),
    ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "expression"), "1"),
]


@pytest.mark.parametrize("applied", ["production-gpu"], indirect=True)
@pytest.mark.parametrize(("kind", "path", "value"), _BROKEN, ids=[f"{kind}/{path[-1]}" for kind, path, _ in _BROKEN])
def test_a_field_that_is_wrong_or_misspelt_is_refused(applied: Applied, kind: str, path: Place, value: object) -> None:
    sound = next(each for each in build(applied.overlay) if each["kind"] == kind)
    dry = (*APPLY, "--dry-run=server", "-f", "-")
    applied.cluster.do(*dry, given=sound)
    told = applied.cluster.refused(*dry, given=changed(sound, path, value))
    assert str(path[-1]) in told
