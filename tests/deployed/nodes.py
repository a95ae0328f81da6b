"""The machines of a small cluster: in each of three zones one with processors alone, and two with a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.deployed.manifests import Resource

_ZONES: Final = ("a", "b", "c")
_GPU: Final = "nvidia.com/gpu"
PROCESSORS: Final = tuple(f"cpu-{zone}" for zone in _ZONES)
GPUS: Final = tuple(f"gpu-{zone}-{number}" for zone in _ZONES for number in (1, 2))


def nodes() -> list[Resource]:
    """As a cloud and NVIDIA's GPU operator would describe them."""
    return [_node(name, has_gpu=name in GPUS) for name in (*PROCESSORS, *GPUS)]


def volume(claim: str) -> Resource:
    """A disk that many nodes read, and one claim may have."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": claim},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": "100Gi"},
            "nfs": {"server": "192.0.2.2", "path": "/models"},
            "persistentVolumeReclaimPolicy": "Retain",
        },
    }


def _node(name: str, *, has_gpu: bool) -> Resource:
    capacity = {"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "200Gi"}
    label = {f"{_GPU}.present": "true"} if has_gpu else {}
    capacity |= {_GPU: "1"} if has_gpu else {}
    taints = [{"key": _GPU, "value": "present", "effect": "NoSchedule"}] if has_gpu else []
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": name.split("-")[1],
                **label,
            },
        },
        "spec": {"taints": taints},
        "status": {"capacity": capacity, "allocatable": dict(capacity)},
    }
