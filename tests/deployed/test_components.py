"""Components that are about one process: who may write deletion costs, and where large models run."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import yaml

from serving.deletion_cost.__main__ import arguments
from tests.deploy.conftest import DEPLOYED
from tests.deployed.manifests import BUILT, K8S, Pod, flows, of_kind, pods, selects, settings

if TYPE_CHECKING:
    from tests.deployed.manifests import Resource

GPU = "nvidia.com/gpu"


def pod_of(overlay: str, name: str) -> Pod:
    [found] = [pod for pod in pods(overlay) if pod.name == name]
    return found


def same_but_for(one: Resource, other: Resource) -> set[str]:
    """Keys, joined by dots, under which two objects differ."""
    found = set()
    for key in {*one, *other}:
        left, right = one.get(key), other.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            found |= {f"{key}.{rest}" for rest in same_but_for(left, right)}
        elif left != right:
            found.add(key)
    return found


def test_one_pod_alone_has_a_token_and_it_may_list_and_patch_pods_and_no_more() -> None:
    with_token = {
        pod.name
        for pod in pods("production-gpu")
        for volume in pod.spec.get("volumes", [])
        if "serviceAccountToken" in str(volume.get("projected"))
    }
    assert with_token == {"deletion-cost"}
    [role] = of_kind("production-gpu", "Role")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "patch"]}]
    [binding] = of_kind("production-gpu", "RoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [(each["kind"], each["name"]) for each in binding["subjects"]] == [("ServiceAccount", "deletion-cost")]
    assert pod_of("production-gpu", "deletion-cost").spec["serviceAccountName"] == "deletion-cost"
    assert not {kind for overlay in BUILT for kind in ("ClusterRole", "ClusterRoleBinding") if of_kind(overlay, kind)}


def test_the_account_lies_where_it_is_looked_for() -> None:
    pod = pod_of("production-gpu", "deletion-cost")
    given = arguments(pod.container["args"])
    [mount] = [each for each in pod.container["volumeMounts"] if each["name"] == "account"]
    assert mount["mountPath"] == str(given.account)
    [volume] = [each for each in pod.spec["volumes"] if each["name"] == "account"]
    assert set(re.findall(r"'path': '([\w.]+)'", str(volume))) == {"token", "ca.crt", "namespace"}


def test_deletion_costs_are_kept_of_every_process_that_is_scaled() -> None:
    pod = pod_of("production-gpu", "deletion-cost")
    given = arguments(pod.container["args"])
    assert pod.container["command"] == ["python", "-m", "serving.deletion_cost"]
    assert set(given.names) == set(DEPLOYED)
    assert set(given.names) == {
        each["spec"]["scaleTargetRef"]["name"] for each in of_kind("production-gpu", "ScaledObject")
    }
    # Each of them has the port at which it is asked.
    for name in given.names:
        assert {"metrics", "http"} & set(pod_of("production-gpu", name).ports)


def test_it_answers_for_its_health_at_the_port_where_it_is_asked() -> None:
    pod = pod_of("production-gpu", "deletion-cost")
    given = arguments(pod.container["args"])
    assert (given.host, pod.ports) == ("0.0.0.0", {"health": given.port})
    for probe, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/livez")):
        assert pod.container[probe]["httpGet"] == {"path": path, "port": "health"}


def test_a_model_over_two_gpus_gets_two_gpus_and_is_told_of_them() -> None:
    pod = pod_of("vllm-tensor-parallel", "llm")
    told = json.loads(settings("vllm-tensor-parallel", pod)["PARLEY_LLM_VLLM_ARGS"])
    assert told["tensor_parallel_size"] == pod.container["resources"]["limits"][GPU] == 2
    [shm] = [each for each in pod.spec["volumes"] if each["name"] == "shm"]
    assert shm["emptyDir"] == {"medium": "Memory", "sizeLimit": "8Gi"}
    plain = pod_of("production-gpu", "llm")
    assert same_but_for(plain.container, pod.container) <= {
        f"resources.limits.{GPU}",
        "resources.limits.memory",
        "envFrom",
    }


def test_with_an_engine_elsewhere_the_llm_server_is_as_on_a_cluster_without_gpus() -> None:
    pod, plain = pod_of("external-llm", "llm"), pod_of("demo", "llm")
    # Beside that only what the component mtls gives to all.
    probes = {f"{name}Probe.{key}" for name in ("startup", "readiness", "liveness") for key in ("exec", "grpc")}
    probes |= {"startupProbe.timeoutSeconds", "readinessProbe.timeoutSeconds"}
    assert same_but_for(plain.spec, pod.spec) == {"containers", "volumes"}
    assert same_but_for(plain.container, pod.container) <= {"envFrom", "volumeMounts"} | probes
    assert {each["name"] for each in pod.spec["volumes"]} == {"tmp", "tls"}
    assert {each["name"] for each in pod.container["volumeMounts"]} == {"tmp", "tls"}
    assert pod.owner["spec"]["strategy"] == plain.owner["spec"]["strategy"]
    assert settings("external-llm", pod)["PARLEY_LLM_ENGINE"] == "openai"
    # The others have theirs as before.
    assert {each.name for each in pods("external-llm") if GPU in each.container["resources"]["limits"]} == {
        "asr",
        "tts",
    }


def test_the_llm_server_is_let_through_to_the_engine_and_to_nothing_more() -> None:
    [policy] = [
        each for each in of_kind("external-llm", "NetworkPolicy") if each["metadata"]["name"] == "llm-to-engine"
    ]
    assert selects(policy["spec"]["podSelector"], pod_of("external-llm", "llm").labels)
    more = flows("external-llm") - flows("production-gpu")
    assert more == {("llm", "inference", port) for port in (8000, 8080)}
    assert flows("production-gpu") <= flows("external-llm")


def test_the_engines_of_the_readme_are_in_the_namespace_that_the_policy_opens() -> None:
    folder = K8S / "components" / "external-llm"
    rows = re.findall(r"`(http://[\w-]+\.(\w+)(?::(\d+))?/(?:openai/)?v1)`", (folder / "README.md").read_text("utf-8"))
    [policy] = yaml.safe_load_all((folder / "policy.yaml").read_text("utf-8"))
    [peer] = policy["spec"]["egress"][0]["to"]
    assert len(rows) == 3
    assert {namespace for _, namespace, _ in rows} == set(peer["namespaceSelector"]["matchLabels"].values())
    assert settings("external-llm", pod_of("external-llm", "llm"))["PARLEY_LLM_URL"] in {url for url, _, _ in rows}
