"""How many processes there are, and what each is told of the others."""

from __future__ import annotations

import socket

import pytest

from parley.errors import InvalidInput, Unavailable
from parley_cli.processes import GATEWAY
from parley_cli.up.checks import check_own_ports
from parley_cli.up.members import OWN_PORT, Replicas, members_of, own_addresses
from parley_cli.up.profiles import environment_of

SCRIPTED = environment_of("scripted", {})


def test_one_of_each_is_told_what_it_always_was() -> None:
    members = members_of(SCRIPTED, Replicas())
    assert [each.name for each in members] == ["asr_server", "llm_server", "tts_server", "edge_gateway"]
    assert all(each.environment == SCRIPTED and not each.own_port for each in members)
    assert own_addresses(members) == []


def test_several_gateways_share_their_ports_and_each_has_one_of_its_own() -> None:
    *_, first, second = members_of(SCRIPTED, Replicas(gateways=2))
    assert (first.name, second.name) == ("edge_gateway 1", "edge_gateway 2")
    for member, own in ((first, 9_104), (second, 9_105)):
        assert member.environment["PARLEY_GATEWAY_REUSE_PORT"] == "1"
        assert member.environment[OWN_PORT] == str(own) == str(member.own_port)
        assert member.process.ports(member.environment) == GATEWAY.ports(SCRIPTED)
    assert own_addresses((first, second)) == ["127.0.0.1:9104", "127.0.0.1:9105"]


def test_the_user_may_choose_where_their_own_ports_begin() -> None:
    *_, second = members_of({**SCRIPTED, OWN_PORT: "7000"}, Replicas(gateways=2))
    assert second.own_port == 7_001
    with pytest.raises(InvalidInput, match="65535: 2 gateways need as many ports"):
        members_of({**SCRIPTED, OWN_PORT: "65535"}, Replicas(gateways=2))


def test_an_own_port_that_is_taken_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} on 127.0.0.1 is taken.*{OWN_PORT}"):
            check_own_ports(members_of({**SCRIPTED, OWN_PORT: str(port)}, Replicas(gateways=2)))


def test_gateways_are_told_of_every_server() -> None:
    members = members_of(SCRIPTED, Replicas(gateways=2, asr=3, tts=2))
    assert [each.name for each in members].count("asr_server") == 1
    heard = [each for each in members if each.process.module == "asr_server"]
    addresses = [each.process.address(each.environment) for each in heard]
    assert addresses[0] == "127.0.0.1:50051"
    assert len(set(addresses)) == 3
    for gateway in members[-2:]:
        assert gateway.environment["PARLEY_ASR_ADDRESS"].split(",") == addresses
        assert len(gateway.environment["PARLEY_TTS_ADDRESS"].split(",")) == 2
        assert gateway.environment["PARLEY_LLM_ADDRESS"] == "127.0.0.1:50052"
    assert {each.environment["PARLEY_ASR_METRICS_PORT"] for each in heard[1:]} == {"0"}
