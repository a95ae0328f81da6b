"""What `import parley` gives: every name that is promised, typed and where it says, and nothing that is dear."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import parley
from tests.parley.installed import SDK_ALONE

PACKAGES = ("asr", "llm", "tts", "conversation")


def promised() -> dict[str, str]:
    """Names that a type checker sees in `parley`, with the modules that they come from."""
    tree = ast.parse(Path(parley.__file__).read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {
        alias.name: node.module or "" for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def test_every_name_of_the_sdk_is_the_one_that_a_type_checker_sees() -> None:
    assert parley.__all__ == sorted(promised())
    assert set(parley.__all__) <= set(dir(parley))
    for name, home in promised().items():
        assert getattr(parley, name) is getattr(importlib.import_module(home), name)


def test_a_name_that_the_sdk_has_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'AsrServer'"):
        getattr(parley, "AsrServer")  # noqa: B009 - a type checker would see it


def test_every_client_error_and_the_way_to_a_conversation_are_among_them() -> None:
    errors = {name for name, value in vars(parley.errors).items() if isinstance(value, type)} - {"DecodeError"}
    assert errors | {"AsrClient", "LlmClient", "TtsClient", "ConversationClient", "connect"} <= set(parley.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_promises_all_that_its_modules_define(package: str) -> None:
    module = importlib.import_module(f"parley.{package}")
    assert module.__file__ is not None
    defined: set[str] = set()
    for path in Path(module.__file__).parent.glob("[a-z]*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            match node:
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    defined.add(name)
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    defined.add(name)
                case _:
                    pass
    assert set(module.__all__) == {name for name in defined if not name.startswith("_")}


def test_importing_the_sdk_imports_no_library() -> None:
    assert imported("import parley") & {"av", "soxr", "aiohttp", "grpc", "numpy", "google"} == set()


def test_the_whole_sdk_works_with_no_more_than_its_distribution_brings() -> None:
    everything = "from parley import *; import parley.asr, parley.llm, parley.tts, parley.conversation, parley.audio"
    subprocess.run([sys.executable, "-c", f"{SDK_ALONE}; {everything}"], check=True)


def imported(code: str) -> set[str]:
    """Top-level packages, other than Python's own, that are imported by `code` in a new interpreter."""
    ask = (
        f"import sys; before = set(sys.modules); {code}; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    names = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    return {name for name in names if name not in sys.stdlib_module_names and not name.startswith("_")}
