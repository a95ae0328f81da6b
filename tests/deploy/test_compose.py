"""compose.yaml as it is written: by the specification's schema, and with every reference in it leading somewhere."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from parley._variables import KNOWN
from serving.config import read
from tests.deploy.conftest import DEPLOYED
from tests.deploy.dockerfile import Dockerfile

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = Dockerfile.read(ROOT / "deploy" / "images" / "Dockerfile")
OURS = {
    name: found[1] for name, each in SERVICES.items() if (found := re.search(r"parley\}/([a-z-]+):", each["image"]))
}
"""Our image of each service that runs one."""
PROCESSES = sorted(name for name, image in OURS.items() if image != "models")
OTHERS = sorted(set(SERVICES) - set(OURS))
INTERPOLATION = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
# What compose itself is told, beside what a process reads.
ASKED = {"IMAGE_PREFIX", "IMAGE_TAG", "OTEL_EXPORTER_OTLP_ENDPOINT", "HF_TOKEN"}


def settled(text: str) -> str:
    """A value as it is when nothing is set."""
    return INTERPOLATION.sub(lambda found: found[2] or "", text)


def environment(name: str) -> dict[str, str]:
    return {key: settled(str(value)) for key, value in SERVICES[name].get("environment", {}).items()}


def role(name: str) -> str:
    return name.split("-", maxsplit=1)[0]


def mounts(name: str) -> list[list[str]]:
    return [each.split(":") for each in SERVICES[name].get("volumes", [])]


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text[:-1])


def errors(compose: dict[str, Any]) -> list[str]:
    """What is wrong by the specification's schema."""
    vendor = files("check_jsonschema").joinpath("builtin_schemas", "vendor", "compose-spec.json")
    schema = json.loads(vendor.read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(compose)]


def test_it_keeps_to_the_specification() -> None:
    assert errors(COMPOSE) == []


@pytest.mark.parametrize(
    ("key", "value"), [("health_check", {}), ("stop_grace_period", 45), ("depends_on", {"llm": {}})]
)
def test_what_the_specification_does_not_know_is_seen(key: str, value: object) -> None:
    assert errors({**COMPOSE, "services": {**SERVICES, "asr": {**SERVICES["asr"], key: value}}})


def test_without_a_profile_the_embedded_engines_start_on_one_port_of_this_machine() -> None:
    default = {name: each for name, each in SERVICES.items() if "profiles" not in each}
    assert set(default) == set(DEPLOYED)
    assert [port for each in default.values() for port in each.get("ports", [])] == SERVICES["gateway"]["ports"]
    assert {key for name in default for key in environment(name) if key.endswith(("_ENGINE", "_MODEL"))} == set()


def test_there_is_a_profile_for_each_way_to_run_it() -> None:
    profiles = {profile for each in SERVICES.values() for profile in each.get("profiles", [])}
    assert profiles == {"cpu", "gpu", "redis", "observability"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_nothing_listens_outside_this_machine(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))
    assert SERVICES[name].get("network_mode") is None


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_may_do_little_and_take_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert not {"privileged", "env_file", "secrets", "cap_add"} & set(service)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_a_service_mounts_is_there_and_belongs_to_the_project(name: str) -> None:
    for source, _, *mode in mounts(name):
        if source.startswith("."):
            assert (ROOT / source).exists()
            assert mode == ["ro"]
        else:
            assert source in COMPOSE["volumes"]


def test_models_are_written_by_the_one_that_fetches_them_and_by_nobody_else() -> None:
    written = {name for name in SERVICES for source, _, *mode in mounts(name) if source == "models" and mode != ["ro"]}
    assert written == {"models-cpu", "models-gpu"}
    assert {SERVICES[name]["restart"] for name in written} == {"on-failure:3"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_who_is_waited_for_is_there_and_can_become_what_is_waited_for(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        # In the same profile, or in none: else it would not be started.
        assert set(SERVICES[other].get("profiles", [])) <= set(SERVICES[name].get("profiles", []))
        match how["condition"]:
            case "service_healthy":
                assert OURS[other] in DOCKERFILE.images
                assert DOCKERFILE.last(OURS[other], "HEALTHCHECK").value != "NONE"
            case "service_completed_successfully":
                assert SERVICES[other]["command"][0] == "pull"
            case condition:
                assert condition == "service_started"
                assert other in OTHERS


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_gets_an_image_of_its_own_kind_that_there_is(name: str) -> None:
    assert OURS[name] in DOCKERFILE.images
    assert role(OURS[name]) == role(name)
    cuda = "reservations" in SERVICES[name]["deploy"]["resources"]
    assert OURS[name].endswith("-cuda") == cuda


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_secret_stands_in_the_file_or_comes_unasked(name: str) -> None:
    given = SERVICES[name].get("environment", {})
    secret = {key: value for key, value in given.items() if re.search("KEY|TOKEN|PASSWORD|SECRET", key)}
    assert secret == {key: f"${{{key}:-}}" for key in secret}


def test_a_service_with_a_gpu_has_one_of_nvidia_s_and_only_those_of_the_profile_have_one() -> None:
    with_gpu = {
        name: each["deploy"]["resources"]["reservations"]
        for name, each in SERVICES.items()
        if "reservations" in each["deploy"]["resources"]
    }
    assert set(with_gpu) == {"asr-gpu", "llm-gpu", "tts-gpu"}
    for each in with_gpu.values():
        assert each == {"devices": [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]}


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_gets_settings_that_it_reads_and_can_use(name: str) -> None:
    deployed = DEPLOYED[role(name)]
    given = {key for key in environment(name) if key.startswith("PARLEY_")}
    assert given <= deployed.variables
    read(deployed.config, environment(name))


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_killed_only_after_its_conversations_may_have_ended(name: str) -> None:
    drain = int(environment(name)["PARLEY_DRAIN_SECONDS"])
    # The gateway says farewell for a second, and a process takes some to end.
    assert seconds(SERVICES[name]["stop_grace_period"]) >= drain + 10


def test_what_may_be_set_from_outside_is_something_that_is_read() -> None:
    # With anchors in it the text repeats nothing.
    asked = {found[0] for found in INTERPOLATION.findall((ROOT / "compose.yaml").read_text(encoding="utf-8"))}
    assert asked - ASKED <= KNOWN


@pytest.mark.parametrize("row", ["", "-cpu", "-gpu"])
def test_a_gateway_finds_its_servers_by_their_names_and_ports(row: str) -> None:
    for server in ("asr", "llm", "tts"):
        host, port = environment(f"gateway{row}")[f"PARLEY_{server.upper()}_ADDRESS"].split(":")
        aliases = SERVICES[f"{server}{row}"].get("networks", {}).get("default", {}).get("aliases", [f"{server}{row}"])
        assert [host] == aliases
        assert str(port) in DOCKERFILE.last(OURS[f"{server}{row}"], "EXPOSE").words
        assert f"{server}{row}" in SERVICES[f"gateway{row}"]["depends_on"]


def test_the_models_that_are_fetched_are_those_that_are_used() -> None:
    kinds = {"PARLEY_ASR_MODEL": "whisper", "PARLEY_TTS_VOICE": "piper", "PARLEY_LLM_MODEL": "llm"}
    for row in ("cpu", "gpu"):
        used = {
            f"{kinds[key]}:{value}"
            for server in ("asr", "llm", "tts")
            for key, value in environment(f"{server}-{row}").items()
            if key in kinds and environment(f"{server}-{row}").get("PARLEY_LLM_ENGINE") != "openai"
        }
        assert {settled(each) for each in SERVICES[f"models-{row}"]["command"][1:]} == used


@pytest.mark.parametrize("name", OTHERS)
def test_a_foreign_image_is_named_with_its_registry_and_an_exact_tag(name: str) -> None:
    assert re.fullmatch(r"docker\.io/[\w-]+/[\w-]+:v?\d+\.\d+\.\d+(-\w+)?", SERVICES[name]["image"])


@pytest.mark.parametrize("name", ["collector", "jaeger"])
def test_a_program_of_the_stack_gets_settings_that_its_configuration_has(name: str) -> None:
    [(source, target, _)] = mounts(name)
    text = (ROOT / source).read_text(encoding="utf-8")
    assert SERVICES[name]["command"] == ["--config", target]
    assert {key for key in SERVICES[name]["environment"] if f"${{env:{key}:-" not in text} == set()


def test_prometheus_finds_its_files_and_everything_that_it_is_to_ask() -> None:
    inside = {target: source for source, target, *_ in mounts("prometheus")}
    config = yaml.safe_load((ROOT / inside["/etc/prometheus/prometheus.yml"]).read_text(encoding="utf-8"))
    assert all(f"/etc/prometheus/{name}" in inside for name in config["rule_files"])
    named = {file for job in config["scrape_configs"] for each in job["file_sd_configs"] for file in each["files"]}
    folder = ROOT / inside["/etc/prometheus/targets"]
    assert named == {f"targets/{path.name}" for path in folder.iterdir()}
    targets = [
        (target.split(":"), each.get("labels", {}))
        for name in named
        for each in yaml.safe_load((folder / Path(name).name).read_text(encoding="utf-8"))
        for target in each["targets"]
    ]
    assert {host for (host, _), _ in targets} == {*DEPLOYED, "collector"}
    for (host, port), labels in targets:
        if host in DEPLOYED:
            assert int(port) in DEPLOYED[host].ports
            assert labels == {"server": host}
    # The gateway answers only where it is asked for by a name that it knows.
    assert "gateway" in environment("gateway")["PARLEY_ALLOWED_HOSTS"].split(",")
