"""Which model of a server's list is talked with."""

from __future__ import annotations

import json

import pytest

from parley_cli.up.model_list import choose_model


def listed(*entries: object) -> str:
    return json.dumps({"object": "list", "data": [{"id": each} if isinstance(each, str) else each for each in entries]})


@pytest.mark.parametrize(
    "name",
    [
        *("nomic-embed-text:latest", "mxbai-embed-large", "all-minilm:33m", "bge-m3", "snowflake-arctic-embed2"),
        *("text-embedding-nomic-embed-text-v1.5", "Qwen/Qwen3-Embedding-0.6B", "jina-reranker-v2", "whisper-large-v3"),
        *("kokoro-tts", "intfloat/e5-mistral-7b-instruct", "Alibaba-NLP/gte-Qwen2-7B", "llama-guard3:8b"),
        *("gpt-oss:120b-cloud", "qwen3-coder:480b-cloud", "deepseek-v3.1:cloud", "", " ", "x" * 201, "a\nb"),
    ],
)
def test_what_does_not_chat_or_is_elsewhere_is_never_taken(name: str) -> None:
    assert choose_model(listed(name)) == ""
    assert choose_model(listed(name, "llama3.2:latest")) == "llama3.2:latest"


@pytest.mark.parametrize(
    ("entries", "taken"),
    [
        (("gemma3:4b", "llama3.2"), "gemma3:4b"),
        (("qwen2.5-coder:7b", "llama3.2"), "llama3.2"),
        (("deepseek-r1:8b", "mathstral-math", "mistral"), "mistral"),
        (("qwen2.5-coder:7b",), "qwen2.5-coder:7b"),
        (("a", {"id": "b", "state": "loaded"}), "b"),
        (("a", {"id": "b", "status": {"value": "loaded"}}), "b"),
        (({"id": "e", "type": "embeddings"}, {"id": "v", "type": "vlm"}), "v"),
        (({"id": "e", "capabilities": ["embedding"]}, {"id": "c", "capabilities": ["completion", "embedding"]}), "c"),
        (({"id": 7}, None, ["x"], "llama"), "llama"),
        ((), ""),
    ],
)
def test_one_that_is_for_talk_goes_first_and_one_that_is_loaded_before_it(
    entries: tuple[object, ...], taken: str
) -> None:
    assert choose_model(listed(*entries)) == taken


@pytest.mark.parametrize(
    "name", ["llama3.2", "gemma3n:e4b", "smollm2:135m", "phi4-mini", "mistral-nemo", "Qwen/Qwen3-8B"]
)
def test_the_names_of_models_that_chat_are_not_mistaken_for_others(name: str) -> None:
    assert choose_model(listed(name)) == name


@pytest.mark.parametrize(
    "answer",
    [
        "<html>Parley</html>",
        "[]",
        "{}",
        '{"data": {"id": "a"}}',
        "[" * 1000,
        '{"data": [' + "{}," * 30_000 + "{}]}",
        '{"data": [{"id": "a", "created": ' + "9" * 5000 + "}]}",
        "NaN",
    ],
)
def test_what_is_no_list_of_models_is_refused(answer: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        choose_model(answer)
