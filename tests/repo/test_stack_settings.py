"""The stack of deploy/observability has settings of its own, which no process of Parley takes for a misspelt one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from parley._variables import KNOWN, unknown

if TYPE_CHECKING:
    from pathlib import Path

READ = re.compile(r"\$\{(?:env:)?([A-Z][A-Z_]+)")


def _files(root: Path) -> list[Path]:
    return [path for path in (root / "deploy").rglob("*") if path.suffix in {".yml", ".yaml", ".md"}]


def test_no_setting_of_the_stack_looks_like_one_of_parley(root: Path) -> None:
    read = {name for path in _files(root) for name in READ.findall(path.read_text(encoding="utf-8"))}
    assert len(read) > 25
    assert {name for name in read if not name.startswith("STACK_")} == set()
    assert list(unknown(dict.fromkeys(read, "1"))) == []


def test_every_setting_of_parley_that_the_stack_tells_of_exists(root: Path) -> None:
    named = {
        name
        for path in _files(root)
        for name in re.findall(r"\bPARLEY_[A-Z_]*[A-Z]\b(?!\{)", path.read_text(encoding="utf-8"))
    }
    assert named - KNOWN == set()


def test_every_setting_of_the_stack_is_told_of_with_its_default_where_it_is_read(root: Path) -> None:
    for path in (root / "deploy" / "observability").rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        head = text.partition("\n\n")[0]
        told = dict(re.findall(r"^#   (STACK_\w+) +(\S+)", head, re.MULTILINE))
        read = dict(re.findall(r"\$\{(?:env:)?(STACK_\w+):-([^}]*)\}", text))
        assert told == read, path


def test_every_alert_says_what_to_do_first_and_is_in_the_readme(root: Path) -> None:
    folder = root / "deploy" / "observability"
    rules = yaml.safe_load((folder / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    assert [rule["alert"] for rule in alerts if not rule["annotations"].get("runbook")] == []
    listed = re.findall(r"^\| (Parley\w+) \|", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == [rule["alert"] for rule in alerts]
