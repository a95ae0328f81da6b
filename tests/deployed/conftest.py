"""One control plane for all tests, and one overlay after the other applied to it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.deployed.cluster import APPLY, NAMESPACE, PATIENCE, Cluster
from tests.deployed.control_plane import open_control_plane
from tests.deployed.definitions import definitions
from tests.deployed.manifests import K8S, OVERLAYS
from tests.deployed.nodes import nodes, volume

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """A control plane that knows what others define, and has nodes."""
    async with open_control_plane(tmp_path_factory.mktemp("control-plane")) as cluster:
        cluster.create(*definitions())
        cluster.do("wait", "crd", "--all", "--for=condition=Established", PATIENCE)
        cluster.create(*nodes())
        cluster.do("wait", "nodes", "--all", "--for=condition=Ready", PATIENCE)
        yield cluster


@dataclass(frozen=True, slots=True)
class Applied:
    """An overlay on a cluster."""

    cluster: Cluster
    overlay: str


@pytest.fixture(scope="module", params=OVERLAYS)
def applied(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Applied]:
    """Each overlay after the other: applied as the README says, with all that it asks for there."""
    with deployed(cluster):
        cluster.do(*APPLY, "-k", str(K8S / "overlays" / request.param))
        cluster.settle()
        yield Applied(cluster, request.param)


@contextmanager
def deployed(cluster: Cluster) -> Iterator[None]:
    """A disk for models while the block lasts; after it the namespace and all in it are gone."""
    cluster.apply(volume("models"))
    try:
        yield
    finally:
        # What is there when the namespace is to go, it looks after every now and then.
        kinds = "deployments,jobs,persistentvolumeclaims"
        cluster.do("delete", kinds, "--all", "-n", NAMESPACE, "--cascade=foreground", PATIENCE)
        cluster.do("delete", "namespace", NAMESPACE, "--ignore-not-found", PATIENCE)
        cluster.do("delete", "persistentvolume", "models", PATIENCE)
