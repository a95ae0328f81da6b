"""A real control plane of Kubernetes, on ports and in a folder of its own; KWOK plays its nodes and their pods."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from tests.deployed.cluster import Cluster
from tests.deployed.parts import program, stages
from tests.end_to_end.whole import free_ports
from tests.programs import eventually, get_text, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_START_SECONDS: Final = 240
"""Longest that the API server takes to begin on a busy machine."""
_SERVICES: Final = "10.96.0.0/16"


@asynccontextmanager
async def open_control_plane(folder: Path) -> AsyncIterator[Cluster]:
    """Start all of it, and end it with the block; each program's log is in `folder`."""
    cluster = Cluster(folder)
    etcd, peers, api, controllers, scheduler = free_ports(5)
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f"{token},admin,admin,system:masters\n")
    _write_kubeconfig(cluster, api, token)
    async with running(folder, "etcd", *_etcd(folder, etcd, peers)):
        await eventually(lambda: get_text(f"http://127.0.0.1:{etcd}/health"), "etcd", _START_SECONDS)
        async with running(folder, "kube-apiserver", *_api_server(folder, api, etcd)):
            await eventually(lambda: _is_ready(cluster), f"the API server ({folder} has its log)", _START_SECONDS)
            async with (
                running(folder, "kube-controller-manager", *_controllers(cluster, controllers)),
                running(folder, "kube-scheduler", *_scheduler(cluster, scheduler)),
                running(folder, "kwok", *_kwok(cluster)),
            ):
                yield cluster


async def _is_ready(cluster: Cluster) -> bool | None:
    asked = await asyncio.create_subprocess_exec(
        *cluster.command("get", "--raw", "/readyz"),
        env=cluster.environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await asked.wait() == 0 or None


def _write_kubeconfig(cluster: Cluster, port: int, token: str) -> None:
    # The API server makes a certificate for itself, and puts that of its signer behind it.
    authority = str(_certificates(cluster.folder) / "apiserver.crt")
    name = "parley"
    described = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority": authority}}
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    cluster.kubeconfig.write_text(json.dumps(described))


def _certificates(folder: Path) -> Path:
    return folder / "certificates"


def _etcd(folder: Path, port: int, peers: int) -> tuple[str, ...]:
    own, other = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers}"
    return (
        str(program("etcd")),
        f"--data-dir={folder / 'data'}",
        f"--listen-client-urls={own}",
        f"--advertise-client-urls={own}",
        f"--listen-peer-urls={other}",
        f"--initial-advertise-peer-urls={other}",
        f"--initial-cluster=default={other}",
        # Nothing here outlives the machine.
        "--unsafe-no-fsync",
    )


def _api_server(folder: Path, port: int, etcd: int) -> tuple[str, ...]:
    key = _certificates(folder) / "apiserver.key"
    return (
        str(program("kube-apiserver")),
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        # It must be no loopback address, and nobody connects to it.
        "--advertise-address=192.0.2.1",
        f"--secure-port={port}",
        f"--cert-dir={_certificates(folder)}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        f"--service-cluster-ip-range={_SERVICES}",
        "--service-account-issuer=https://kubernetes.default.svc",
        # It makes this key before it reads it.
        f"--service-account-signing-key-file={key}",
        f"--service-account-key-file={key}",
        "--endpoint-reconciler-type=none",
        # What then refuses a privileged pod is its namespace.
        "--allow-privileged",
    )


def _controllers(cluster: Cluster, port: int) -> tuple[str, ...]:
    certificates = _certificates(cluster.folder)
    return (
        str(program("kube-controller-manager")),
        f"--kubeconfig={cluster.kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={cluster.folder / 'controllers'}",
        "--leader-elect=false",
        f"--service-account-private-key-file={certificates / 'apiserver.key'}",
        f"--root-ca-file={certificates / 'apiserver.crt'}",
        "--horizontal-pod-autoscaler-sync-period=1s",
        # Else a namespace takes a quarter of a minute to go: it asks for objects of every kind, twenty a second.
        "--kube-api-qps=500",
        "--kube-api-burst=500",
    )


def _scheduler(cluster: Cluster, port: int) -> tuple[str, ...]:
    return (
        str(program("kube-scheduler")),
        f"--kubeconfig={cluster.kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={cluster.folder / 'scheduler'}",
        "--leader-elect=false",
    )


def _kwok(cluster: Cluster) -> tuple[str, ...]:
    return (
        str(program("kwok")),
        f"--kubeconfig={cluster.kubeconfig}",
        "--manage-all-nodes",
        "--node-lease-duration-seconds=40",
        *(f"--config={path}" for path in stages()),
    )
