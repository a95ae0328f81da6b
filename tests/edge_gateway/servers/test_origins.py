"""Where servers are said to be: what may stand in `PARLEY_ASR_ADDRESS`, and what becomes of DNS's answers."""

from __future__ import annotations

import pytest

from edge_gateway.servers.origins import MOST_SERVERS, Origin, Roster, origins_of
from parley.errors import InvalidInput

FIELD = "PARLEY_ASR_ADDRESS"
NAME = Origin("asr", 50051, is_name=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("asr:50051", [NAME]),
        ("ASR:50051", [NAME]),
        ("10.0.0.1:50051", [Origin("10.0.0.1", 50051, is_name=False)]),
        ("[::1]:50051", [Origin("::1", 50051, is_name=False)]),
        ("[0:0::0:1]:50051", [Origin("::1", 50051, is_name=False)]),
        ("http://asr:50051/", [Origin("asr", 50051, is_name=True, scheme="http://")]),
        ("https://asr:50051", [Origin("asr", 50051, is_name=True, scheme="https://")]),
        ("dns:///asr:50051", [NAME]),
        ("unix:///run/asr", [Origin("unix:///run/asr", 0, is_name=False)]),
        (" asr:50051 , 10.0.0.1:1,, ", [NAME, Origin("10.0.0.1", 1, is_name=False)]),
        ("asr:50051,asr:50051,asr:50052", [NAME, Origin("asr", 50052, is_name=True)]),
    ],
)
def test_names_and_addresses_are_told_apart_and_each_is_there_once(text: str, expected: list[Origin]) -> None:
    assert list(origins_of(text, FIELD)) == expected


@pytest.mark.parametrize(
    "text", ["asr", "asr:", ":50051", "::1:50051", "asr:0", "asr:65536", "asr:50051/x", "a b:1", "asr:50051;tts:1"]
)
def test_what_is_no_address_is_refused_with_its_value_and_the_remedy(text: str) -> None:
    with pytest.raises(InvalidInput, match="write host:port") as refused:
        origins_of(f"10.0.0.1:50051,{text}", FIELD)
    assert FIELD in str(refused.value)
    assert repr(text) in str(refused.value)


def test_a_list_without_an_address_is_refused() -> None:
    with pytest.raises(InvalidInput, match="names no address"):
        origins_of(" , ", FIELD)


def test_a_password_in_an_address_is_not_told() -> None:
    with pytest.raises(InvalidInput) as refused:
        origins_of("http://me:hunter2@asr:50051", FIELD)
    assert "hunter2" not in str(refused.value)


def lives(address: str) -> bool:
    del address
    return False


def is_dead(address: str) -> bool:
    del address
    return True


def test_an_address_that_is_named_twice_is_one_server() -> None:
    roster = Roster(origins_of("10.0.0.1:50051,asr:50051,10.0.0.1:50051", FIELD))
    roster.answered(NAME, ["10.0.0.1", "10.0.0.2", "10.0.0.2", "::1"], lives)
    assert list(roster.members()) == ["10.0.0.1:50051", "10.0.0.2:50051", "[::1]:50051"]
    # A certificate must name what the configuration names.
    assert [origin.name for origin in roster.members().values()] == ["", "asr", "asr"]


def test_a_name_without_addresses_keeps_those_that_it_had() -> None:
    roster = Roster([NAME])
    roster.answered(NAME, ["10.0.0.1", "10.0.0.2"], is_dead)
    for _ in range(10):
        roster.answered(NAME, [], is_dead)
    assert list(roster.members()) == ["10.0.0.1:50051", "10.0.0.2:50051"]


def test_an_address_that_is_missing_is_forgotten_at_once_when_it_is_dead_and_else_the_third_time() -> None:
    roster = Roster([NAME])
    for keeps, answers in ((is_dead, 1), (lives, 3)):
        roster.answered(NAME, ["10.0.0.1", "10.0.0.2"], keeps)
        for _ in range(answers):
            assert "10.0.0.1:50051" in roster.members()
            roster.answered(NAME, ["10.0.0.2"], keeps)
        assert list(roster.members()) == ["10.0.0.2:50051"]


def test_an_address_that_comes_back_counts_anew() -> None:
    roster = Roster([NAME])
    for _ in range(5):
        roster.answered(NAME, ["10.0.0.1", "10.0.0.2"], lives)
        for _ in range(2):
            roster.answered(NAME, ["10.0.0.2"], lives)
    assert len(roster.members()) == 2


def test_there_are_never_more_servers_than_metrics_may_have_series() -> None:
    roster = Roster([NAME])
    roster.answered(NAME, [f"10.0.{high}.{low}" for high in range(4) for low in range(256)], lives)
    assert len(roster.members()) == MOST_SERVERS
