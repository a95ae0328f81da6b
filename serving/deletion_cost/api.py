"""The few paths of Kubernetes' API that are needed, as the account of this pod may use them."""

from __future__ import annotations

import json
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp

from parley._binding import joined
from parley.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"
ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its account's token, the certificate of the API's authority and the name of its namespace."""

_NAME: Final = "app.kubernetes.io/name"
_METRICS_PORTS: Final = ("metrics", "http")
"""Names of the port that answers `/metrics`, the first that a pod has."""
_PAGE: Final = 200
_MOST_PAGES: Final = 50
_LONGEST_LIST: Final = 32 * 1024 * 1024
_LONGEST_METRICS: Final = 4 * 1024 * 1024
_LONGEST_REASON: Final = 300
_OK: Final = 200
_TEXTS: Final = ("token", "namespace")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that runs."""

    name: str
    metrics: str
    """URL of what it measures."""
    cost: str | None
    """What its annotation says now; None: it has none."""


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API is, and as whom it is asked."""

    url: str
    """Without a slash at its end."""
    account: Path
    """Folder of the account."""

    @classmethod
    def of(cls, environment: Mapping[str, str], account: Path = ACCOUNT) -> Api:
        """As a pod is told.

        Raises:
            InvalidInput: this is no pod, or one without its account.
        """
        host, port = (environment.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
        if not host or not port.isdecimal():
            raise InvalidInput("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is for a pod")
        for name in ("token", "ca.crt", "namespace"):
            if not (account / name).is_file():
                raise InvalidInput(f"{account / name} is not there: mount the service account's token into this pod")
        return cls(f"https://{joined(host, int(port))}", account)

    @asynccontextmanager
    async def open(self, seconds: float) -> AsyncIterator[Client]:
        """A client with the token and authority as they are now: both are exchanged while a pod runs.

        An answer takes `seconds` at most.

        Raises:
            Unavailable: they cannot be read.
        """
        try:
            token, namespace = ((self.account / name).read_text(encoding="utf-8").strip() for name in _TEXTS)
            trusted = ssl.create_default_context(cafile=self.account / "ca.crt")
        except (OSError, ValueError) as error:
            raise Unavailable(f"the service account in {self.account} cannot be read: {error}") from error
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as http:
            yield Client(http, f"{self.url}/api/v1/namespaces/{namespace}/pods", token, trusted)


class Client:
    """Asks for the pods of one namespace, and for what each of them measures."""

    def __init__(self, http: aiohttp.ClientSession, pods: str, token: str, trusted: ssl.SSLContext) -> None:
        """Ask `pods`, the URL of all pods of the namespace, with `token`."""
        self._http = http
        self._pods = pods
        self._authority = {"Authorization": f"Bearer {token}"}
        self._trusted = trusted

    async def pods(self, names: Sequence[str]) -> list[Pod]:
        """Pods that run, are not being ended, and whose label `app.kubernetes.io/name` is one of `names`.

        Raises:
            Unavailable: the API cannot be reached, or refuses.
        """
        asked = {"labelSelector": f"{_NAME} in ({','.join(names)})", "fieldSelector": "status.phase=Running"}
        found: list[Pod] = []
        page = {"limit": str(_PAGE)}
        for _ in range(_MOST_PAGES):
            listed = _object(await self._of_api("GET", self._pods, params=asked | page))
            found += [pod for each in _list(listed.get("items")) if (pod := _pod(each)) is not None]
            more = _object(listed.get("metadata")).get("continue")
            if not isinstance(more, str) or not more:
                return found
            page = {"limit": str(_PAGE), "continue": more}
        raise Unavailable(f"there are more than {_PAGE * _MOST_PAGES} pods: is this the right namespace?")

    async def set_cost(self, pod: Pod, cost: int) -> None:
        """Write a pod's annotation.

        Raises:
            Unavailable: the API cannot be reached, or refuses.
        """
        change = json.dumps({"metadata": {"annotations": {ANNOTATION: str(cost)}}})
        kind = {"Content-Type": "application/merge-patch+json"}
        await self._of_api("PATCH", f"{self._pods}/{pod.name}", data=change, headers=kind)

    async def metrics(self, pod: Pod) -> str:
        """What a pod measures, in Prometheus' text format.

        Raises:
            Unavailable: it does not answer, or with too much.
        """
        try:
            async with self._http.get(pod.metrics, allow_redirects=False) as response:
                body = await _read(response, _LONGEST_METRICS)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{pod.metrics} does not answer ({str(error) or 'no answer in time'})") from error
        if response.status != _OK:
            raise Unavailable(f"{pod.metrics} answers {response.status}")
        return body.decode("utf-8", "replace")

    async def _of_api(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        data: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> object:
        try:
            async with self._http.request(
                method,
                url,
                params=params,
                data=data,
                headers=self._authority | dict(headers or {}),
                ssl=self._trusted,
                allow_redirects=False,
            ) as response:
                body = await _read(response, _LONGEST_LIST)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"{method} {url} failed ({str(error) or 'no answer in time'})") from error
        if response.status != _OK:
            reason = body.decode("utf-8", "replace")[:_LONGEST_REASON]
            raise Unavailable(f"{method} {url} is answered with {response.status}: {reason}")
        try:
            return json.loads(body)
        except ValueError as error:
            raise Unavailable(f"{method} {url} is answered with what is no JSON") from error


async def _read(response: aiohttp.ClientResponse, longest: int) -> bytes:
    body = b""
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > longest:
            raise Unavailable(f"{response.url} answers with more than {longest} bytes")
    return body


def _pod(item: object) -> Pod | None:
    """What is needed of a pod; None where it has no address, no port of `/metrics`, or is being ended."""
    described, status = _object(item), _object(_object(item).get("status"))
    metadata, spec = _object(described.get("metadata")), _object(described.get("spec"))
    ports = {
        port.get("name"): port.get("containerPort")
        for container in _list(spec.get("containers"))
        for port in map(_object, _list(_object(container).get("ports")))
    }
    port = next((ports[name] for name in _METRICS_PORTS if name in ports), None)
    name, address = metadata.get("name"), status.get("podIP")
    if "deletionTimestamp" in metadata or not (isinstance(name, str) and isinstance(address, str) and address):
        return None
    if not isinstance(port, int):
        return None
    cost = _object(metadata.get("annotations")).get(ANNOTATION)
    return Pod(name, f"http://{joined(address, port)}/metrics", cost if isinstance(cost, str) else None)


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
