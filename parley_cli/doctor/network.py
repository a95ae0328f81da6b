"""What is spoken to over HTTP: the endpoint that writes replies, the page, and a proxy that the environment names."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

from parley.errors import InvalidInput, ParleyError
from parley_cli.doctor.findings import Finding, State
from parley_cli.processes import page_url
from parley_cli.shared_port import gateways_at
from parley_cli.trust import trust
from parley_cli.up.checks import running_at
from parley_cli.up.discovery import discover, is_wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATIENCE: Final = aiohttp.ClientTimeout(total=15.0)
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
_OLLAMA: Final = "http://127.0.0.1:11434/v1"
_REFUSED: Final = (401, 403)
_OK: Final = 200


async def look_at_endpoint(environment: Mapping[str, str]) -> list[Finding]:
    """Whether something answers that is to write the replies, where that is elsewhere."""
    if environment.get("PARLEY_LLM_ENGINE", "") != "openai" or environment.get("PARLEY_LLAMACPP_MODEL", ""):
        return []
    url, key = environment.get("PARLEY_LLM_URL", "") or _OLLAMA, environment.get("PARLEY_LLM_API_KEY", "")
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    listing = parts._replace(path=f"{parts.path.rstrip('/')}/models").geturl()
    try:
        async with _http(is_ours=False) as http, http.get(listing, headers=headers) as response:
            status = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        remedy = "start it (for Ollama: ollama serve), or name another in PARLEY_LLM_URL"
        return [Finding("endpoint", State.WRONG, f"nothing answers at {shown}, PARLEY_LLM_URL ({_why(error)})", remedy)]
    if status in _REFUSED:
        what = f"{shown} refuses ({status})"
        return [Finding("endpoint", State.WRONG, what, "name its key in PARLEY_LLM_API_KEY")]
    if status != _OK:
        what = f"{shown} answers {status} when it is asked for its models"
        return [Finding("endpoint", State.NOTE, what, "some list none; else PARLEY_LLM_URL may lack its /v1")]
    return [Finding("endpoint", State.FINE, f"{shown} answers")]


async def look_for_model(user: Mapping[str, str], environment: Mapping[str, str]) -> list[Finding]:
    """Who on this machine would write the replies where the `user` has named nobody."""
    try:
        if environment.get("PARLEY_LLM_ENGINE", "") or not is_wanted(user):
            return []
        found = await discover(environment)
    except InvalidInput as error:
        return [Finding("model", State.WRONG, str(error), f"set {error.field} otherwise, or unset it")]
    if found is None:
        what = "no server of models was found on this machine, so rules write the replies"
        return [Finding("model", State.NOTE, what, "start Ollama, or: make run MODELS=small")]
    return [Finding("model", State.FINE, f"`parley up` takes {found}; PARLEY_LLM_DISCOVER=off does without")]


async def look_at_page(environment: Mapping[str, str]) -> list[Finding]:
    """Whether the page of a Parley that runs can be opened, and has voices."""
    if not await running_at(environment):
        return [Finding("page", State.NOTE, "Parley does not run now, so its page was not opened", "parley up")]
    url = page_url(environment)
    try:
        async with _http(is_ours=True) as http:
            async with http.get(url) as page:
                status = page.status
            async with http.get(f"{url}/v1/page") as facts:
                known = await facts.json()
            gateways = len(await gateways_at(http, url))
    except (aiohttp.ClientError, TimeoutError, ValueError, ParleyError) as error:
        return [
            Finding("page", State.WRONG, f"{url} cannot be opened ({_why(error)})", "stop Parley and start it again")
        ]
    if status != _OK:
        return [Finding("page", State.WRONG, f"{url} answers {status}", "PARLEY_ALLOWED_HOSTS may have to name it")]
    if problem := known.get("voices_problem"):
        return [
            Finding("page", State.WRONG, f"the page has no voices: {problem}", "look at what the TTS server prints")
        ]
    sharing = f"; {gateways} gateways share its port" if gateways > 1 else ""
    return [Finding("page", State.FINE, f"{url} opens, with {len(known.get('voices', ()))} voices{sharing}")]


async def look_at_proxy(environment: Mapping[str, str]) -> list[Finding]:
    """Whether a proxy is named, and there; Parley's own processes and its page never go through one."""
    named = {
        variable: value
        for name in _PROXIES
        for variable in (name, name.upper())
        if (value := environment.get(variable, ""))
    }
    if not named:
        return [Finding("proxy", State.FINE, "the environment names none")]
    return [await _look_at_proxy(variable, value) for variable, value in named.items()]


async def _look_at_proxy(variable: str, value: str) -> Finding:
    parts = urlsplit(value if "//" in value else f"//{value}")
    shown = f"{variable}={parts.netloc.rpartition('@')[2]}"
    try:
        async with asyncio.timeout(_PATIENCE.total):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        writer.close()
    except (OSError, ValueError, TimeoutError) as error:
        what = f"{shown} is not there ({_why(error)}); Parley's own processes do without, fetching models does not"
        return Finding("proxy", State.NOTE, what, "set it right, or unset it")
    return Finding("proxy", State.FINE, f"{shown} is there, for models and hosted endpoints")


def _why(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return text.partition(" (")[0] or type(cause).__name__


def _http(*, is_ours: bool) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(ssl=trust()) if is_ours else None
    return aiohttp.ClientSession(timeout=_PATIENCE, trust_env=not is_ours, connector=connector)
