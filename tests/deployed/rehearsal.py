"""Carries out what deploy/images/Dockerfile says where there is no container engine.

Each stage becomes a folder that is a root of its own: chroot in a mount namespace, with the machine's /usr, its
libraries and its Python mounted read-only, and /app, /src and so on exactly where the Dockerfile has them. RUN, COPY,
ENV, WORKDIR, USER and ENTRYPOINT are read from it; FROM copies the stage that it names.

What this is not: the image of Python that the Dockerfile names (the machine's Python and Debian stand in), layers,
namespaces of processes and networks, and whatever a container engine adds. It needs root, and util-linux.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.deploy.dockerfile import Dockerfile, Instruction

_OF_THE_MACHINE: Final = ("usr", "etc", "dev", "proc")
_LINKS: Final = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
# What a build is told about the network it stands in.
_NETWORK: Final = re.compile(r"(?:PIP_(?!FIND_LINKS)|SSL_|REQUESTS_)\w+|https?_proxy|no_proxy", re.IGNORECASE)
_NOTHING: Final = ("LABEL", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD", "ARG")


@dataclass(slots=True)
class Root:
    """A stage that was carried out: its folder, and how it is started."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0:0"
    workdir: str = "/"

    def command(self, words: Sequence[str], variables: Mapping[str, str], *, is_image: bool) -> list[str]:
        """What runs `words` inside; in an image the tree is read-only and as the Dockerfile's USER says."""
        uid, _, gid = self.user.partition(":")
        environment = {**self.environment, **variables}
        given = [f"{name}={value}" for name, value in environment.items()]
        inside = ["setpriv", f"--reuid={uid}", f"--regid={gid or uid}", "--clear-groups", "--no-new-privs"]
        if is_image:
            inside += ["--bounding-set=-all", "--inh-caps=-all"]
        inside += ["env", "-i", "-C", self.workdir, *given, *words]
        return ["unshare", "--mount", "sh", "-ceu", self._mounts(is_image=is_image), "sh", *inside]

    def _mounts(self, *, is_image: bool) -> str:
        root, python = self.folder, sys.base_prefix
        mounts = [*(f"/{name}" for name in _OF_THE_MACHINE), *([] if python.startswith("/usr") else [python])]
        lines = ["mount --make-rprivate /", f"mount --bind {root} {root}"]
        for path in mounts:
            lines += [f"mkdir -p {root}{path}", f"mount --rbind {path} {root}{path}"]
        # Its Python is the machine's, and stands where the image has it. Nothing of the machine can be changed.
        lines += [f"mount --bind {python} {root}/usr/local"]
        lines += [f"mount -o remount,bind,ro {root}{path}" for path in ("/usr", "/usr/local", "/etc")]
        if is_image:
            own = f"{root}/tmp"  # noqa: S108 - below its root
            lines += [f"mount -t tmpfs -o mode=1777 tmpfs {own}", f"mount -o remount,bind,ro {root}"]
        return "\n".join([*lines, f'exec chroot {root} "$@"'])


class Rehearsal:
    """All stages that were asked for, below one folder."""

    def __init__(self, dockerfile: Dockerfile, context: Path, folder: Path) -> None:
        """Carry out `dockerfile` with the files of `context`; `folder` is empty."""
        self._dockerfile = dockerfile
        self._context = context
        self._folder = folder
        self._roots: dict[str, Root] = {}

    def build(self, name: str) -> Root:
        """A stage, and what it needs before it.

        Raises:
            RuntimeError: a step failed.
        """
        if name not in self._roots:
            stage = self._dockerfile.stages[name]
            root = self._begin(name, stage.parent)
            for each in stage.instructions:
                self._carry_out(each, root)
            self._roots[name] = root
        return self._roots[name]

    def _begin(self, name: str, parent: str) -> Root:
        folder = self._folder / name
        if parent in self._dockerfile.stages:
            before = self.build(parent)
            _run(["cp", "--archive", str(before.folder), str(folder)])
            return Root(folder, dict(before.environment), before.user, before.workdir)
        (folder / "tmp").mkdir(parents=True, mode=0o1777)
        for link, target in _LINKS.items():
            (folder / link).symlink_to(target)
        return Root(folder, {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp"})  # noqa: S108 - in it

    def _carry_out(self, step: Instruction, root: Root) -> None:
        match step.name:
            case "RUN":
                network = {name: value for name, value in os.environ.items() if _NETWORK.fullmatch(name)}
                # What the Dockerfile sets counts.
                network |= root.environment
                _run(root.command(["sh", "-c", step.value], network, is_image=False))
            case "COPY":
                self._copy(step, root)
            case "ENV":
                root.environment |= dict(word.split("=", 1) for word in step.words)
            case "WORKDIR":
                root.workdir = step.value
                (root.folder / step.value.strip("/")).mkdir(parents=True, exist_ok=True)
            case "USER":
                root.user = step.value
            case name:
                assert name in _NOTHING, name

    def _copy(self, step: Instruction, root: Root) -> None:
        *options, source, target = step.words
        place = root.folder / os.path.join(root.workdir, target).strip("/")  # noqa: PTH118 - absolute or not
        if options:
            [stage] = options
            # Nothing changes a file of a stage that is done, so one copy on the disk does.
            _run(
                ["cp", "--archive", "--link", f"{self.build(stage.removeprefix('--from=')).folder}{source}", str(place)]
            )
        elif source == ".":
            for path in self._let_in():
                _run(["cp", "--archive", "--parents", path, str(place)], folder=self._context)
            for cache in place.rglob("__pycache__"):
                shutil.rmtree(cache)
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(self._context / source, place)

    def _let_in(self) -> list[str]:
        lines = (self._context / ".dockerignore").read_text(encoding="utf-8").splitlines()
        return [line[1:] for line in lines if line.startswith("!")]


def _run(command: list[str], folder: Path | None = None) -> None:
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"{command[-1]} failed:\n{finished.stdout}{finished.stderr}")
