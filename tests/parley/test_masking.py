"""What may be a secret stands in no line that people read."""

from __future__ import annotations

import pytest

from parley import AsrClient
from parley._masking import masked, secrets_in, secrets_of
from parley.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot reach redis://:hunter2@cache:6379/0", "cannot reach redis://***@cache:6379/0"),
        ("https://me:p%40ss@hub.example/x and http://token@y", "https://***@hub.example/x and http://***@y"),
        ("GET http://x/v1?api-version=1&api_key=abc&q=1", "GET http://x/v1?api-version=1&api_key=***&q=1"),
        ("http://x/?token=abc#top", "http://x/?token=***#top"),
        ("Authorization: Bearer sk-1234567890", "Authorization: Bearer ***"),
        ("write to me@example.com, or open http://x/@y", "write to me@example.com, or open http://x/@y"),
        ("Bearer of bad news", "Bearer of bad news"),
    ],
)
def test_secrets_are_known_by_their_place(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://:hunter2hunter2@cache", "ERR unknown command 'AUTH', with args beginning with: 'hunter2hunter2'"),
        ("redis://me:pa%2Fss%23w0rd@cache", "wrong: pa/ss#w0rd"),
        ("redis://me:pa%2Fss%23w0rd@cache", "wrong: pa%2Fss%23w0rd"),
        ("redis://:not/escaped@cache", "bad port not/escaped"),
        ("redis://:abc@cache", "AUTH abc failed"),
        ("http://justatoken1@x", "justatoken1 is not known"),
        ("http://x/?password=hunter2hunter2", "hunter2hunter2 was refused"),
        ("m@http://u:firstsecret@a/v1,n@http://v:othersecret@b/v1", "firstsecret and othersecret"),
    ],
)
def test_the_secrets_of_a_url_are_found_wherever_they_are_quoted(url: str, message: str) -> None:
    shown = masked(message, secrets_in(url))
    assert "***" in shown
    for part in ("hunter2", "w0rd", "escaped", " abc ", "justatoken1", "secret"):
        assert part not in shown


def test_a_short_secret_is_no_part_of_a_word() -> None:
    assert masked("the cat sat on a cat", ["cat"]) == "the *** sat on a ***"
    assert masked("concatenate", ["cat"]) == "concatenate"
    assert masked("a", ["a"]) == "a"


def test_the_environment_says_what_is_secret() -> None:
    environment = {
        "PARLEY_LLM_API_KEY": "sk-first-0",
        "PARLEY_LLM_FALLBACK_API_KEYS": "sk-second-0, sk-third-0",
        "HF_TOKEN": "hf_fourth0",
        "PARLEY_REDIS_URL": "redis://:fifth-0000@cache",
        "PARLEY_GATEWAY_PORT": "8080",
        "SSH_KEY": "not-ours-00",
    }
    line = "sk-first-0 sk-second-0 sk-third-0 hf_fourth0 fifth-0000 8080 not-ours-00"
    assert masked(line, secrets_of(environment)) == "*** *** *** *** *** 8080 not-ours-00"


@pytest.mark.parametrize("address", ["http://me:hunter2@host", "https://me:hunter2@host:1", "me:hunter2@"])
async def test_an_address_that_cannot_be_used_is_told_without_its_password(address: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        AsrClient(address)
    assert "hunter2" not in str(refused.value) or "://" not in address
