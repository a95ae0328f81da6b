"""What kustomize makes of deploy/k8s: valid to the letter, and in step with the processes, images and compose."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from parley._variables import KNOWN
from serving.config import read
from serving.probes import GrpcProbe
from tests.deploy.conftest import DEPLOYED
from tests.deploy.dockerfile import Dockerfile
from tests.deployed.definitions import schema_of
from tests.deployed.manifests import (
    BUILT,
    COMPONENTS,
    EXAMPLES,
    K8S,
    OVERLAYS,
    Pod,
    Resource,
    build,
    changed,
    flows,
    of_kind,
    pods,
    selects,
    settings,
)

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = Dockerfile.read(ROOT / "deploy" / "images" / "Dockerfile")
# The oldest with all that the manifests use switched on, and the newest whose schemas are known.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
# Resources that others define.
FOREIGN = {"PodMonitor", "PrometheusRule", "ScaledObject", "HTTPRoute", "Issuer", "Certificate"}
PODS = [(overlay, pod) for overlay in BUILT for pod in pods(overlay)]
PROCESSES = [(overlay, pod) for overlay, pod in PODS if pod.name in DEPLOYED]


PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def named(cases: list[tuple[str, Pod]]) -> pytest.MarkDecorator:
    """A test for each of them, by overlay and name."""
    return pytest.mark.parametrize(("overlay", "pod"), cases, ids=[f"{overlay}/{pod.name}" for overlay, pod in cases])


@pytest.mark.parametrize(("overlay", "version"), list(itertools.product(BUILT, VERSIONS)))
def test_every_resource_keeps_to_its_schema_and_has_no_field_that_is_none(overlay: str, version: str) -> None:
    for resource in build(overlay):
        if resource["kind"] not in FOREIGN:
            kubernetes_validate.validate(resource, version, strict=True)


def errors(resource: Resource) -> list[str]:
    """What is wrong with a resource that others define."""
    validator = jsonschema.Draft202012Validator(schema_of(resource))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(resource)]


@pytest.mark.parametrize("kind", sorted(FOREIGN))
def test_every_resource_that_others_define_keeps_to_their_definition(kind: str) -> None:
    found = of_kind("production-gpu", kind)
    assert found
    assert [error for each in found for error in errors(each)] == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("ScaledObject", ("spec", "poolingInterval"), 10),
        ("ScaledObject", ("spec", "triggers", 0, "metadata", "threshold"), 2),
        ("HTTPRoute", ("spec", "rules", 0, "timeouts", "request"), "none"),
        ("HTTPRoute", ("spec", "rules", 0, "matches", 0, "path", "type"), "Prefix"),
        ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "ports"), "http"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "expression"), "1"),
        ("Certificate", ("spec", "dnsName"), "asr"),
        ("Certificate", ("spec", "privateKey", "rotationPolicy"), "Sometimes"),
        ("Issuer", ("spec", "ca", "secret"), "parley-ca"),
    ],
)
def test_a_wrong_field_of_a_resource_that_others_define_is_seen(
    kind: str, path: tuple[str | int, ...], value: object
) -> None:
    assert errors(changed(of_kind("production-gpu", kind)[0], path, value))


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", ("spec", "template", "spec", "termintionGracePeriodSeconds"), 30),
        ("Deployment", ("spec", "template", "spec", "containers", 0, "livenessProbe", "periodSeconds"), "often"),
        ("Service", ("spec", "ports", 0, "port"), "http"),
        ("NetworkPolicy", ("spec", "policyType"), ["Ingress"]),
        ("PodDisruptionBudget", ("spec", "maxUnavaliable"), 1),
    ],
)
def test_a_field_that_is_wrong_or_misspelt_is_seen(kind: str, path: tuple[str | int, ...], value: object) -> None:
    broken = changed(of_kind("production-gpu", kind)[0], path, value)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("overlay", BUILT)
def test_pods_must_be_restricted_where_they_run(overlay: str) -> None:
    [namespace] = of_kind(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = {each["metadata"].get("namespace") for each in build(overlay) if each["kind"] != "Namespace"}
    assert others == {namespace["metadata"]["name"]}


@named(PODS)
def test_a_pod_may_do_next_to_nothing(overlay: str, pod: Pod) -> None:
    assert pod.spec["securityContext"]["runAsNonRoot"] is True
    assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert (pod.spec["automountServiceAccountToken"], pod.spec["enableServiceLinks"]) == (False, False)
    accounts = {each["metadata"]["name"]: each for each in of_kind(overlay, "ServiceAccount")}
    assert accounts[pod.spec["serviceAccountName"]]["automountServiceAccountToken"] is False
    assert "memory" in pod.container["resources"]["limits"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec)


@named(PODS)
def test_a_pod_runs_an_image_of_ours_for_where_it_runs(overlay: str, pod: Pod) -> None:
    del overlay
    if pod.name == "redis":
        return
    assert pod.image in DOCKERFILE.images
    assert pod.image.split("-", maxsplit=1)[0] == {"deletion-cost": "gateway"}.get(pod.name, pod.name)
    assert f"{pod.spec['securityContext']['runAsUser']}" in DOCKERFILE.last(pod.image, "USER").value
    assert f":{DOCKERFILE.all('runtime', 'ARG')[0].value.partition('=')[2]}" in pod.container["image"]
    gpu = pod.image.endswith("-cuda")
    assert ("nvidia.com/gpu" in pod.container["resources"]["limits"]) == gpu
    # It goes where GPUs are, and is let in there; nothing else is.
    assert (pod.spec.get("nodeSelector") == {"nvidia.com/gpu.present": "true"}) == gpu
    assert bool(pod.spec.get("tolerations")) == gpu


@named(PROCESSES)
def test_probes_ask_what_the_process_answers_and_only_the_process_itself_for_its_life(overlay: str, pod: Pod) -> None:
    config = read(DEPLOYED[pod.name].config, settings(overlay, pod))
    [probe] = [each for each in config.probes if isinstance(each, GrpcProbe)]  # type: ignore[attr-defined]  # each has
    if probe.tls is not None:
        # Kubernetes' own would show no certificate.
        command = ["python", "-m", "serving.healthcheck", DEPLOYED[pod.name].process.module]
        assert pod.container["startupProbe"]["exec"]["command"] == command
        assert pod.container["readinessProbe"]["exec"]["command"] == command
        assert pod.container["livenessProbe"]["exec"]["command"] == [*command, "--live"]
        assert not [each for each in PROBES if "grpc" in pod.container[each]]
        return
    wanted = {"port": probe.port, "service": probe.service}
    assert pod.container["startupProbe"]["grpc"] == wanted
    assert pod.container["readinessProbe"]["grpc"] == wanted
    assert pod.container["livenessProbe"]["grpc"] == {"port": probe.port}


@named(PROCESSES)
def test_a_process_gets_settings_that_it_reads_and_can_use(overlay: str, pod: Pod) -> None:
    given = settings(overlay, pod)
    read(DEPLOYED[pod.name].config, given)
    assert {key for key in given if key.startswith("PARLEY_")} <= DEPLOYED[pod.name].variables
    single = {each["name"] for each in pod.container.get("env", [])}
    assert {name for name in single if name.startswith("PARLEY_")} <= KNOWN


@named(PROCESSES)
def test_a_process_has_the_ports_that_it_binds_and_a_service_leads_there(overlay: str, pod: Pod) -> None:
    assert set(pod.ports.values()) == DEPLOYED[pod.name].ports
    [service] = [each for each in of_kind(overlay, "Service") if each["metadata"]["name"] == pod.name]
    assert selects({"matchLabels": service["spec"]["selector"]}, pod.labels)
    assert {each["port"]: pod.ports[each["targetPort"]] for each in service["spec"]["ports"]} == {
        port: port for port in DEPLOYED[pod.name].ports
    }
    # The gateway chooses among the servers itself.
    assert (service["spec"].get("clusterIP") == "None") == (pod.name != "gateway")


@pytest.mark.parametrize("overlay", BUILT)
def test_the_gateway_is_told_where_the_services_are(overlay: str) -> None:
    [gateway] = [pod for pod in pods(overlay) if pod.name == "gateway"]
    for name in ("asr", "llm", "tts"):
        host, port = settings(overlay, gateway)[f"PARLEY_{name.upper()}_ADDRESS"].split(":")
        assert host == name
        assert int(port) in DEPLOYED[name].ports


def test_every_process_has_a_certificate_for_the_name_that_it_is_asked_by_and_may_read_it() -> None:
    by_name = {pod.name: pod for pod in pods("production-gpu")}
    certificates = {each["metadata"]["name"]: each["spec"] for each in of_kind("production-gpu", "Certificate")}
    gateway = settings("production-gpu", by_name["gateway"])
    for name in DEPLOYED:
        pod, given, certificate = by_name[name], settings("production-gpu", by_name[name]), certificates[name]
        [volume] = [each for each in pod.spec["volumes"] if each.get("secret")]
        [mount] = [each for each in pod.container["volumeMounts"] if each["name"] == volume["name"]]
        assert volume["secret"] == {"secretName": certificate["secretName"], "defaultMode": 0o440}
        assert mount["readOnly"] is True
        # A single file would not follow what rotates.
        assert "subPath" not in mount
        files = [given[f"PARLEY_TLS_{each}"] for each in ("CERT", "KEY", "CA")]
        assert files == [f"{mount['mountPath']}/{each}" for each in ("tls.crt", "tls.key", "ca.crt")]
        assert gateway.get(f"PARLEY_{name.upper()}_ADDRESS", f"{name}:").split(":")[0] in certificate["dnsNames"]
        assert {"server auth", "client auth"} <= set(certificate["usages"])
    [issuer] = {certificates[name]["issuerRef"]["name"] for name in DEPLOYED}
    issuers = {each["metadata"]["name"]: each["spec"] for each in of_kind("production-gpu", "Issuer")}
    authority = certificates[issuers[issuer]["ca"]["secretName"]]
    assert authority["isCA"] is True
    # Else a renewal of the authority would part those that have followed from those that have not.
    assert authority["privateKey"]["rotationPolicy"] == "Never"


@named(PROCESSES)
def test_a_pod_has_longer_to_end_than_its_conversations(overlay: str, pod: Pod) -> None:
    drain = int(settings(overlay, pod)["PARLEY_DRAIN_SECONDS"])
    before = pod.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    # The longest turn is a minute of speech and its reply.
    assert drain >= 120
    assert pod.spec["terminationGracePeriodSeconds"] >= before + drain + 20


@named(PROCESSES)
def test_a_process_is_spread_and_one_of_it_at_a_time_may_be_away(overlay: str, pod: Pod) -> None:
    [budget] = [each for each in of_kind(overlay, "PodDisruptionBudget") if each["metadata"]["name"] == pod.name]
    assert selects(budget["spec"]["selector"], pod.labels)
    assert budget["spec"]["maxUnavailable"] == 1
    spread = pod.spec["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert all(selects(each["labelSelector"], pod.labels) for each in spread)


@named([(overlay, pod) for overlay, pod in PODS if overlay != "demo"])
def test_models_are_written_by_their_job_alone(overlay: str, pod: Pod) -> None:
    mounts = {each["mountPath"]: each.get("readOnly", False) for each in pod.container.get("volumeMounts", [])}
    expected = {"models": False, "asr": True, "llm": None if overlay == "external-llm" else True, "tts": True}
    assert mounts.get("/models") == expected.get(pod.name)
    volumes = {each["name"]: each for each in pod.spec.get("volumes", [])}
    assert all(each["name"] in volumes for each in pod.container.get("volumeMounts", []))
    claims = {each["metadata"]["name"] for each in of_kind(overlay, "PersistentVolumeClaim")}
    if "/models" in mounts:
        assert volumes["models"]["persistentVolumeClaim"]["claimName"] in claims


@pytest.mark.parametrize("overlay", [each for each in BUILT if each not in {"demo", "air-gapped"}])
def test_the_models_that_are_fetched_are_those_that_are_used(overlay: str) -> None:
    by_name = {pod.name: pod for pod in pods(overlay)}
    asr, llm, tts = (settings(overlay, by_name[name]) for name in ("asr", "llm", "tts"))
    used = [f"whisper:{asr['PARLEY_ASR_MODEL']}"]
    used += [f"llm:{llm['PARLEY_LLM_MODEL']}"] if llm["PARLEY_LLM_ENGINE"] == "vllm" else []
    used += [f"piper:{tts['PARLEY_TTS_VOICE']}"]
    assert by_name["models"].container["args"] == ["pull", *used]


def test_policies_let_every_hop_through_and_nothing_else() -> None:
    servers = {("asr", 50051), ("llm", 50052), ("tts", 50053)}
    metrics = {("gateway", 8080), ("asr", 9101), ("llm", 9102), ("tts", 9103)}
    everyone = {*DEPLOYED, "redis", "models", "deletion-cost"}
    assert flows("production-gpu") == {
        ("anyone", "gateway", 8080),
        *(("gateway", name, port) for name, port in servers),
        *(("monitoring", name, port) for name, port in metrics),
        *(("deletion-cost", name, port) for name, port in metrics),
        # The API server; blocks of addresses are all called so here.
        *(("deletion-cost", "internet", port) for port in (443, 6443)),
        *((name, "observability", port) for name in DEPLOYED for port in (4317, 4318)),
        *((name, "kube-system", 53) for name in everyone),
        ("tts", "redis", 6379),
        ("models", "internet", 443),
    }


def test_without_a_policy_that_lets_it_through_nothing_goes() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind("production-gpu", "NetworkPolicy")}
    denied = policies["deny-all"]
    assert set(denied) == {"podSelector", "policyTypes"}
    assert denied["policyTypes"] == ["Ingress", "Egress"]
    assert all(selects(denied["podSelector"], pod.labels) for pod in pods("production-gpu"))


def test_what_is_scaled_has_no_other_number_and_is_scaled_by_what_is_measured() -> None:
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]: each["spec"] for each in of_kind("production-gpu", "ScaledObject")
    }
    assert set(scaled) == set(DEPLOYED)
    code = "".join(
        path.read_text(encoding="utf-8")
        for package in ("edge_gateway", "asr_server", "llm_server", "tts_server", "serving")
        for path in (ROOT / package).rglob("*.py")
    )
    for pod in pods("production-gpu"):
        assert ("replicas" in pod.owner["spec"]) == (pod.name in {"redis", "deletion-cost"})
    for name, spec in scaled.items():
        [trigger] = spec["triggers"]
        metrics = set(re.findall(r"parley_\w+", trigger["metadata"]["query"]))
        assert metrics
        assert all(f'"{metric}"' in code for metric in metrics)
        assert set(re.findall(r'service="(\w+)"', trigger["metadata"]["query"])) <= {name}
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behavior["scaleUp"]["stabilizationWindowSeconds"] + spec["pollingInterval"] <= 30
        assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]


def test_prometheus_asks_every_pod_at_a_port_that_it_has_and_gives_the_labels_of_the_rules() -> None:
    asked = {
        (pod.name, pod.ports[endpoint["port"]])
        for monitor in of_kind("production-gpu", "PodMonitor")
        for pod in pods("production-gpu")
        if selects(monitor["spec"]["selector"], pod.labels)
        for endpoint in monitor["spec"]["podMetricsEndpoints"]
    }
    assert asked == {("gateway", 8080), ("asr", 9101), ("llm", 9102), ("tts", 9103)}
    for monitor in of_kind("production-gpu", "PodMonitor"):
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        assert {each["targetLabel"] for each in endpoint["relabelings"]} == {"job", "server"}
    targets = yaml.safe_load((ROOT / "deploy/observability/prometheus/targets/parley.yml").read_text(encoding="utf-8"))
    assert {each["labels"]["server"] for each in targets} == {name for name, _ in asked}


def test_a_conversation_lasts_as_long_as_it_lasts_and_metrics_are_not_for_the_public() -> None:
    [route] = of_kind("production-gpu", "HTTPRoute")
    rules = {
        match["path"]["value"]: (match["path"]["type"], rule)
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
    }
    assert rules["/v1/conversation"][1]["timeouts"] == {"request": "0s", "backendRequest": "0s"}
    assert set(rules) == {"/v1/conversation", "/", "/web", "/v1"}
    assert rules["/"][0] == "Exact"
    assert all(rule["backendRefs"] == [{"name": "gateway", "port": 8080}] for _, rule in rules.values())
    [gateway] = [pod for pod in pods("production-gpu") if pod.name == "gateway"]
    # The gateway answers by no other name.
    assert settings("production-gpu", gateway)["PUBLIC_HOSTS"].split(",") == route["spec"]["hostnames"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_says_what_it_is_and_some_overlay_uses_it(component: str) -> None:
    if component == "digests":
        pytest.skip("the publisher's, see deploy/images/digests.py")
    assert (K8S / "components" / component / "README.md").read_text(encoding="utf-8").startswith("# ")
    if component in EXAMPLES:
        return
    files = [(K8S / "overlays" / each / "kustomization.yaml").read_text(encoding="utf-8") for each in OVERLAYS]
    assert any(f"../../components/{component}\n" in text or f"components/{component}]" in text for text in files)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_short(overlay: str) -> None:
    assert len((K8S / "overlays" / overlay / "kustomization.yaml").read_text(encoding="utf-8").splitlines()) <= 50
