"""What kubectl says of a cluster, and does to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from tests.deployed.parts import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.deployed.manifests import Resource

NAMESPACE: Final = "parley"
APPLY: Final = ("apply", "--server-side", "--validate=strict")
"""As the README says, and with no field let through that nobody knows."""
PATIENCE: Final = "--timeout=240s"
"""Longest that anything is waited for; nothing takes this long unless it is broken."""
_WATCHED_SECONDS: Final = 300
_INFORMATION: Final = re.compile(r"I\d{4} ")

State = dict[str, "Resource"]
"""All objects of a kind by their names."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A control plane that runs."""

    folder: Path
    """For what is written here."""

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder)}

    def command(self, *arguments: str) -> tuple[str, ...]:
        return (str(program("kubectl")), *arguments)

    def run(self, *arguments: str, given: object = None) -> subprocess.CompletedProcess[str]:
        """Call kubectl; `given` is what it reads where it is told `-f -`."""
        written = None if given is None else json.dumps(given)
        command = self.command(*arguments)
        return subprocess.run(command, env=self.environment, input=written, capture_output=True, text=True, check=False)

    def do(self, *arguments: str, given: object = None) -> str:
        """Call kubectl, which must succeed and warn of nothing; gives what it writes."""
        done = self.run(*arguments, given=given)
        # On a busy machine it tells that it waits.
        told = [line for line in done.stderr.splitlines() if not _INFORMATION.match(line)]
        assert (done.returncode, told) == (0, []), f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, *arguments: str, given: object = None) -> str:
        """Call kubectl, which must fail; gives why."""
        done = self.run(*arguments, given=given)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def items(self, kind: str, *more: str, namespace: str = NAMESPACE) -> list[Resource]:
        """All objects of a kind."""
        return list(json.loads(self.do("get", kind, "-n", namespace, "-o", "json", *more))["items"])

    def item(self, kind: str, name: str) -> Resource:
        return dict(json.loads(self.do("get", kind, name, "-n", NAMESPACE, "-o", "json")))

    def create(self, *objects: Resource) -> None:
        """Create these, which are not there yet."""
        self.do("create", "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": objects})

    def apply(self, *objects: Resource) -> None:
        """Apply these, strictly."""
        self.do(*APPLY, "-f", "-", given={"apiVersion": "v1", "kind": "List", "items": objects})

    def settle(self) -> None:
        """Wait until every Deployment has what it asks for, and every Job is done."""
        for each in self.items("deployments"):
            self.do("rollout", "status", f"deployment/{each['metadata']['name']}", "-n", NAMESPACE, PATIENCE)
        if self.items("jobs"):
            self.do("wait", "jobs", "--all", "--for=condition=Complete", "-n", NAMESPACE, PATIENCE)

    @contextmanager
    def watch(self, path: str) -> Iterator[Watch]:
        """Look at what a path of the API lists while the block does something; nothing in between is missed."""
        listed = json.loads(self.do("get", "--raw", path))
        version = listed["metadata"]["resourceVersion"]
        asked = f"{path}?watch=true&resourceVersion={version}&timeoutSeconds={_WATCHED_SECONDS}"
        process = subprocess.Popen(
            self.command("get", "--raw", asked), env=self.environment, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout is not None
            yield Watch({each["metadata"]["name"]: each for each in listed["items"]}, process.stdout)
        finally:
            process.kill()
            process.communicate()


@dataclass(slots=True)
class Watch:
    """What a list was at the beginning, and each change of it."""

    state: State
    lines: IO[str]

    def until(self, is_done: Callable[[State], bool]) -> list[State]:
        """The list as it was after each change, from the first to the one after which `is_done`."""
        seen = [self.state]
        while not is_done(seen[-1]):
            line = self.lines.readline()
            assert line, f"it did not come about in {_WATCHED_SECONDS} s; at last: {sorted(seen[-1])}"
            seen.append(_after(seen[-1], json.loads(line)))
        self.state = seen[-1]
        return seen


def _after(state: State, event: Resource) -> State:
    """The list after a change of one object in it."""
    assert event["type"] in {"ADDED", "MODIFIED", "DELETED"}, event
    name = event["object"]["metadata"]["name"]
    others = {key: each for key, each in state.items() if key != name}
    return others if event["type"] == "DELETED" else {**others, name: event["object"]}
