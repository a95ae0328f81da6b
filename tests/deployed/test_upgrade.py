"""Whoever runs the manifests as they were before the last change of them gets to these by applying them."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING, Final

import pytest

from tests.deployed.cluster import APPLY, NAMESPACE
from tests.deployed.conftest import deployed
from tests.deployed.manifests import K8S, OVERLAYS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deployed.cluster import Cluster

pytestmark = pytest.mark.timeout(900)
FOLDER: Final = "deploy/k8s"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifests of the newest commit that has others than these."""
    for commit in git("log", "--format=%H", "--", FOLDER).decode().split():
        if git("diff", "--name-only", commit, "--", FOLDER):
            folder = tmp_path_factory.mktemp("earlier")
            with tarfile.open(fileobj=io.BytesIO(git("archive", commit, FOLDER))) as archive:
                archive.extractall(folder, filter="data")
            return folder / FOLDER
    pytest.skip("the clone has no earlier manifests")


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=K8S.parents[1], capture_output=True, check=True).stdout


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_update_from_the_manifests_before_takes_no_more_than_the_readme_says(
    cluster: Cluster, earlier: Path, overlay: str
) -> None:
    before, now = earlier / "overlays" / overlay, K8S / "overlays" / overlay
    if not before.exists():
        pytest.skip(f"the overlay {overlay} is new")
    with deployed(cluster):
        cluster.do(*APPLY, "-k", str(before))
        cluster.settle()
        claims = uids(cluster, "persistentvolumeclaims")
        cluster.do("delete", "job", "models", "-n", NAMESPACE, "--ignore-not-found")
        cluster.do(*APPLY, "-k", str(now))
        cluster.settle()
        assert cluster.do("diff", "--server-side", "-k", str(now)) == ""
        assert claims <= uids(cluster, "persistentvolumeclaims")


def uids(cluster: Cluster, kind: str) -> set[str]:
    return {each["metadata"]["uid"] for each in cluster.items(kind)}
