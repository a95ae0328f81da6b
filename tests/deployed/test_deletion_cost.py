"""A Deployment that gets fewer replicas loses its idle pods, by what the account of `deletion-cost` may write."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web

from serving.deletion_cost.api import ANNOTATION, Api
from serving.deletion_cost.rounds import Round, Rounds
from tests.deployed.cluster import NAMESPACE, PATIENCE
from tests.deployed.manifests import build, of_kind, pods
from tests.end_to_end.whole import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.deployed.cluster import Cluster
    from tests.deployed.manifests import Resource

pytestmark = pytest.mark.timeout(900)
ACCOUNT: Final = "deletion-cost"
OF_THE_ACCOUNT: Final = ("ServiceAccount", "Role", "RoleBinding")


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Cluster]:
    """The namespace of Parley, with what the component brings for its account and nothing else."""
    own = [
        each
        for each in build("production-gpu")
        if each["kind"] in OF_THE_ACCOUNT and each["metadata"]["name"] == ACCOUNT
    ]
    cluster.apply(*of_kind("production-gpu", "Namespace"))
    try:
        cluster.apply(*own)
        yield cluster
    finally:
        cluster.do("delete", "namespace", NAMESPACE, PATIENCE)


def account(cluster: Cluster, folder: Path) -> Api:
    """As the pod of the component is told, with a token of its own."""
    (folder / "token").write_text(cluster.do("create", "token", ACCOUNT, "-n", NAMESPACE), encoding="utf-8")
    (folder / "namespace").write_text(NAMESPACE, encoding="utf-8")
    (folder / "ca.crt").write_text((cluster.folder / "certificates" / "apiserver.crt").read_text(encoding="utf-8"))
    [server] = set(cluster.do("config", "view", "-o", "jsonpath={.clusters[*].cluster.server}").split())
    return Api(server, folder)


def deployment(port: int) -> Resource:
    """Three ASR servers as the overlay has them, that tell what they measure at `port`, on any node."""
    [pod] = [each for each in pods("demo") if each.name == "asr"]
    container = {**pod.container, "ports": [{"name": "metrics", "containerPort": port}]}
    spec = {**pod.spec, "containers": [container], "serviceAccountName": "default"}
    template = {**pod.owner["spec"]["template"], "spec": spec}
    return {**pod.owner, "spec": {**pod.owner["spec"], "replicas": 3, "template": template}}


@asynccontextmanager
async def measuring(address: str, port: int, work: dict[str, int], name: str) -> AsyncIterator[None]:
    """What a pod would answer if it ran."""

    async def metrics(request: web.Request) -> web.Response:
        del request
        return web.Response(text=f"parley_asr_streams_active {work[name]}.0\n")

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
        yield
    finally:
        await runner.cleanup()


def names(cluster: Cluster) -> list[str]:
    return [each["metadata"]["name"] for each in cluster.items("pods") if "deletionTimestamp" not in each["metadata"]]


def scaled(cluster: Cluster, replicas: int) -> list[str]:
    """Pods that are left of so many."""
    deployment = ("deployment/asr", "-n", NAMESPACE)
    cluster.do("scale", *deployment, f"--replicas={replicas}")
    cluster.do("wait", *deployment, f"--for=jsonpath={{.status.replicas}}={replicas}", PATIENCE)
    return names(cluster)


async def test_the_pod_that_nobody_talks_to_goes_first(namespace: Cluster, tmp_path: Path) -> None:
    [port] = free_ports(1)
    namespace.apply(deployment(port))
    namespace.settle()
    # Busy, idle, busier: whichever Kubernetes would take by itself, it takes another one at one of two times.
    work = dict(zip(names(namespace), (5, 0, 12), strict=True))
    async with AsyncExitStack() as stack:
        for number, name in enumerate(work, start=2):
            address = f"127.0.0.{number}"
            status = {"status": {"podIP": address, "podIPs": [{"ip": address}]}}
            namespace.do(
                "patch",
                "pod",
                name,
                "-n",
                NAMESPACE,
                "--subresource=status",
                "--type=merge",
                "--patch",
                json.dumps(status),
            )
            await stack.enter_async_context(measuring(address, port, work, name))
        rounds = Rounds(account(namespace, tmp_path), ["asr"], 15.0, patience_seconds=120.0)
        assert await rounds.once() == Round(seen=3, written=3)
        costs = [each["metadata"]["annotations"][ANNOTATION] for each in namespace.items("pods")]
        assert sorted(map(int, costs)) == [0, 8, 16]
        assert await rounds.once() == Round(seen=3)
        busy, idle, busier = work
        assert set(scaled(namespace, 2)) == {busy, busier}
        # The one that was busiest is idle now.
        work[busier] = 0
        assert await rounds.once() == Round(seen=2, written=1)
        assert scaled(namespace, 1) == [busy]
        assert idle not in names(namespace)


def test_its_account_may_write_costs_and_little_else(namespace: Cluster) -> None:
    asked = [
        *((verb, "pods", NAMESPACE) for verb in ("list", "patch", "get", "watch", "create", "delete")),
        *((verb, "pods", "kube-system") for verb in ("list", "patch")),
        *((verb, "secrets", NAMESPACE) for verb in ("get", "list")),
        ("patch", "deployments", NAMESPACE),
    ]
    user = f"--as=system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    may = {each for each in asked if namespace.run("auth", "can-i", *each[:2], "-n", each[2], user).returncode == 0}
    assert may == {("list", "pods", NAMESPACE), ("patch", "pods", NAMESPACE)}
