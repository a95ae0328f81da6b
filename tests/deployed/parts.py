"""A control plane of Kubernetes: `python -m tests.deployed.parts` builds what is missing of it.

Its programs are packages of Go modules and come from one module of ours, so that they share what is compiled.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

from tests.building import Part, find, go, module, provide_all
from tests.observability.parts import PROMETHEUS

KUBERNETES_VERSION: Final = "1.37.2"
ETCD_VERSION: Final = "3.7.3"
"""That which Kubernetes is built with."""
KWOK_VERSION: Final = "0.8.0"
"""The newest that Go 1.26 builds."""
_KUBERNETES: Final = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
_ETCD: Final = "go.etcd.io/etcd/server/v3"
_KWOK: Final = "sigs.k8s.io/kwok"
_STAGES: Final = ("node/fast/node-initialize", "pod/fast/pod-ready", "pod/fast/pod-complete", "pod/fast/pod-delete")
"""What becomes of nodes and pods, in KWOK's module."""


def program(name: str) -> Path:
    """Where a program is; it must have been built."""
    return find(name, PARTS, "make test-deploy")


def _fetch(work: Path) -> None:
    # What lies in Kubernetes' own repository has its version, with a zero before it. Its go.mod leads to folders that
    # the module does not have, and counts for itself alone.
    module(
        work,
        *(f"k8s.io/kubernetes/cmd/{name}@v{KUBERNETES_VERSION}" for name in _KUBERNETES),
        f"{_ETCD}@v{ETCD_VERSION}",
        f"{_KWOK}/cmd/kwok@v{KWOK_VERSION}",
        replace=dict.fromkeys(_staging(work), f"v0.{KUBERNETES_VERSION.partition('.')[2]}"),
    )


def _staging(work: Path) -> list[str]:
    """Modules that are developed with Kubernetes and published apart."""
    downloaded = json.loads(go("mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES_VERSION}", folder=work))
    described = json.loads(go("mod", "edit", "-json", downloaded["GoMod"], folder=work))
    return [each["Old"]["Path"] for each in described["Replace"] if each["New"]["Path"].startswith("./staging/")]


def _build(work: Path, target: Path) -> None:
    packages = [f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES]
    go("build", "-ldflags", "-s -w", "-o", f"{target}/", *packages, _ETCD, f"{_KWOK}/cmd/kwok", folder=work)
    # Go names it after its folder.
    (target / "server").rename(target / "etcd")
    described = json.loads(go("list", "-m", "-json", _KWOK, folder=work))
    for stage in _STAGES:
        shutil.copy(Path(described["Dir"]) / "kustomize" / "stage" / f"{stage}.yaml", target)


CONTROL_PLANE: Final = Part(
    "control-plane",
    f"{KUBERNETES_VERSION}-{ETCD_VERSION}-{KWOK_VERSION}",
    (*_KUBERNETES, "etcd", "kwok"),
    _build,
    _fetch,
)
PARTS: Final = (CONTROL_PLANE, PROMETHEUS)


def stages() -> list[Path]:
    """What KWOK is told of nodes and pods."""
    return [program("kwok").with_name(f"{stage.rpartition('/')[2]}.yaml") for stage in _STAGES]


if __name__ == "__main__":
    provide_all(PARTS)
