"""Rules of the page's JavaScript: how long a module is, and which folder may know which."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pathlib import Path

MODULE_LINES: Final = 250

# What the modules of a folder may load. The root joins them all; what model/ may call is for the compiler to say, which
# checks it without the names of a browser (tests/web/tsconfig.worklet.json).
KNOWS: Final = {
    "model": {"model"},
    "worklets": {"model"},
    "worker": {"model", "worker"},
    "view": {"model", "view"},
    "client": {"model", "client", "worker", "worklets"},
}

# A string, so that nothing in it is taken for a comment, or a comment.
STRING_OR_COMMENT: Final = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|/\*.*?\*/|//[^\n]*""", re.DOTALL
)
# An import, a type's import, and what a worker or worklet is loaded from.
LOADED: Final = re.compile(r'"(\.\.?/[^"]+\.js)"')


def code_lines(text: str) -> int:
    """Lines that do something: without comments, and not empty."""
    without = STRING_OR_COMMENT.sub(lambda found: found["string"] or "\n" * found[0].count("\n"), text)
    return sum(bool(line.strip()) for line in without.splitlines())


def forbidden(modules: dict[str, str]) -> list[str]:
    """Loads that cross from one folder to another that it may not know; modules by their path within the page."""
    return [
        f"{name} loads {target}"
        for name, text in modules.items()
        for target in LOADED.findall(text)
        for folder in [_folder(name)]
        if folder in KNOWS and _target_folder(folder, target) not in KNOWS[folder]
    ]


@pytest.fixture(scope="session")
def modules(root: Path) -> dict[str, str]:
    """The page's modules, by their path within the page."""
    web = root / "edge_gateway" / "web"
    return {path.relative_to(web).as_posix(): path.read_text(encoding="utf-8") for path in sorted(web.rglob("*.js"))}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("/** One. */\n\nlet a = 1; // one\nlet b;\n", 2),
        ("/**\n * Many.\n */\nlet a;\n", 1),
        ("  // Alone.\nlet a; /* here\nand there */ let b;\n", 2),
        ('let a = "https://example.org";\nlet b = "/*";\nlet c = `*/`;\n', 3),
    ],
)
def test_comments_and_empty_lines_make_no_module_longer(text: str, lines: int) -> None:
    assert code_lines(text) == lines


def test_a_load_that_crosses_is_seen() -> None:
    modules = {
        "model/a.js": '/** @typedef {import("../view/b.js").B} B */',
        "view/b.js": 'import { a } from "../model/a.js";\nimport { c } from "./c.js";',
        "client/c.js": 'new URL("../worker/worker.js", import.meta.url)',
        "worker/d.js": 'await import("../client/c.js")',
        "main.js": 'import "./view/b.js";',
    }
    assert forbidden(modules) == ["model/a.js loads ../view/b.js", "worker/d.js loads ../client/c.js"]


def test_every_module_is_in_a_folder_or_joins_them(modules: dict[str, str]) -> None:
    assert {_folder(name) for name in modules} == {*KNOWS, "main.js", "page.js", "status.js"}


def test_a_module_of_the_page_is_one_thought(modules: dict[str, str]) -> None:
    sizes = {name: code_lines(text) for name, text in modules.items()}
    assert {name: size for name, size in sizes.items() if size > MODULE_LINES} == {}


def test_what_is_decided_knows_nothing_of_what_is_seen_or_sent(modules: dict[str, str]) -> None:
    assert forbidden(modules) == []


def _folder(name: str) -> str:
    return name.split("/", maxsplit=1)[0]


def _target_folder(folder: str, target: str) -> str:
    return folder if target.startswith("./") else target.removeprefix("../").split("/", maxsplit=1)[0]
