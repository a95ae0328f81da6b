"""A namespace with pods in it: Kubernetes' paths for them over HTTPS, and what each pod measures."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from parley_cli.up.certificate import make_certificate
from serving.deletion_cost.api import ANNOTATION, Api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOKEN = "the token"
NAMESPACE = "parley"
BROKEN = "500"
"""What a pod measures whose `/metrics` fails."""


@dataclass
class Cluster:
    """What is there, and what was asked."""

    api: Api
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    work: dict[str, str] = field(default_factory=dict)
    """What `/metrics` says of each pod, by its name."""
    patched: list[tuple[str, str]] = field(default_factory=list)
    listed: list[dict[str, str]] = field(default_factory=list)
    refuses: int = 0
    """A status with which the API refuses everything; 0: it does not."""
    page: int = 200
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by whatever the API is asked."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a pod was patched."""

    def add(self, name: str, metrics: str, port: int, *, process: str = "asr", cost: str | None = None) -> None:
        """A pod that runs on this machine, whose `/metrics` is at `port`."""
        described: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/name": process}}
        if cost is not None:
            described["annotations"] = {ANNOTATION: cost}
        ports = [{"name": "grpc", "containerPort": 1}, {"name": "metrics", "containerPort": port}]
        self.pods[name] = {
            "metadata": described,
            "spec": {"containers": [{"name": process, "ports": ports}]},
            "status": {"phase": "Running", "podIP": "127.0.0.1"},
        }
        self.work[name] = metrics

    @property
    def costs(self) -> dict[str, str | None]:
        """The annotation of each pod."""
        return {name: pod["metadata"].get("annotations", {}).get(ANNOTATION) for name, pod in self.pods.items()}

    async def list(self, request: web.Request) -> web.Response:
        if refused := self._refusal(request):
            return refused
        self.listed.append(dict(request.query))
        wanted = request.query["labelSelector"].partition(" in ")[2].strip("()").split(",")
        found = [pod for pod in self.pods.values() if pod["metadata"]["labels"]["app.kubernetes.io/name"] in wanted]
        begin = int(request.query.get("continue", 0))
        end = begin + min(self.page, int(request.query["limit"]))
        more = {"continue": str(end)} if end < len(found) else {}
        return web.json_response({"kind": "PodList", "metadata": more, "items": found[begin:end]})

    async def patch(self, request: web.Request) -> web.Response:
        if refused := self._refusal(request):
            return refused
        name = request.match_info["name"]
        if name not in self.pods:
            return web.json_response({"kind": "Status", "message": "gone"}, status=404)
        assert request.headers["Content-Type"] == "application/merge-patch+json"
        change = json.loads(await request.text())
        assert set(change) == {"metadata"}
        assert set(change["metadata"]) == {"annotations"}
        self.pods[name]["metadata"].setdefault("annotations", {}).update(change["metadata"]["annotations"])
        self.patched.append((name, change["metadata"]["annotations"][ANNOTATION]))
        self.changed.set()
        return web.json_response(self.pods[name])

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.asked.set()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Unauthorized"}, status=401)
        return web.json_response({"message": "no"}, status=self.refuses) if self.refuses else None


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    """The API of a cluster without pods; `folder` becomes the service account's."""
    certificate = make_certificate("127.0.0.1", dt.datetime.now(dt.UTC))
    for name, text in (("token", TOKEN), ("ca.crt", certificate.decode()), ("namespace", NAMESPACE)):
        (folder / name).write_text(text, encoding="utf-8")
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(folder / "ca.crt")
    made = Cluster(Api("", folder))
    app = web.Application()
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
    app.add_routes([web.get(pods, made.list), web.patch(pods + "/{name}", made.patch)])
    async with listening(app, own) as port:
        made.api = Api(f"https://127.0.0.1:{port}", folder)
        yield made


@asynccontextmanager
async def measuring(there: Cluster, name: str) -> AsyncIterator[int]:
    """The port at which a pod of that name tells what it measures."""

    async def metrics(request: web.Request) -> web.Response:
        del request
        text = there.work[name]
        return web.Response(status=500) if text == BROKEN else web.Response(text=text)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics)])
    async with listening(app) as port:
        yield port


@asynccontextmanager
async def listening(app: web.Application, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A web server on a port of its own."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
