"""Reads deploy/images/Dockerfile: its stages, and their instructions in order. It has no heredocs."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: RUN, COPY and so on."""

    name: str
    value: str

    @property
    def words(self) -> list[str]:
        """A command in JSON's form; or what a shell would see."""
        found = re.search(r"\[.*\]$", self.value)
        return list(json.loads(found[0])) if found else shlex.split(self.value)


@dataclass(slots=True)
class Stage:
    """From one FROM to the next."""

    name: str
    parent: str
    instructions: list[Instruction] = field(default_factory=list)


class Dockerfile:
    """All stages by name."""

    def __init__(self, text: str) -> None:
        """Read a Dockerfile's text."""
        self.arguments: dict[str, str] = {}
        self.stages: dict[str, Stage] = {}
        current: Stage | None = None
        for name, value in _instructions(text):
            if name == "FROM":
                parent, _, alias = value.partition(" AS ")
                current = self.stages[alias] = Stage(alias, parent)
            elif current is None:
                assert name == "ARG", name
                key, _, default = value.partition("=")
                self.arguments[key] = default
            else:
                current.instructions.append(Instruction(name, value))

    @classmethod
    def read(cls, path: Path) -> Dockerfile:
        return cls(path.read_text(encoding="utf-8"))

    @property
    def images(self) -> list[str]:
        """Stages that are started: those with an entry point."""
        return [name for name, stage in self.stages.items() if any(i.name == "ENTRYPOINT" for i in stage.instructions)]

    def line(self, name: str) -> list[Stage]:
        """A stage and those that it is made from, the first one first."""
        stage = self.stages[name]
        return [*(self.line(stage.parent) if stage.parent in self.stages else []), stage]

    def all(self, name: str, kind: str) -> list[Instruction]:
        """Instructions of one kind that a stage is made of, in order."""
        return [each for stage in self.line(name) for each in stage.instructions if each.name == kind]

    def last(self, name: str, kind: str) -> Instruction:
        """The one that counts."""
        return self.all(name, kind)[-1]

    def environment(self, name: str) -> dict[str, str]:
        """What ENV sets."""
        words = [word for each in self.all(name, "ENV") for word in each.words]
        return dict(word.split("=", 1) for word in words)


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(name, value.strip()) for name, _, value in (line.partition(" ") for line in joined.splitlines())]
