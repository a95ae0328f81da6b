"""Looks for a server of language models on this machine, where the user has named none.

Only this machine's own addresses are asked, never through a proxy, and of what answers little is read and nothing is
followed: anybody may listen on a port.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import aiohttp

from parley._binding import joined, port_of
from parley._variables import LOOPBACK, PORTS
from parley.errors import InvalidInput
from parley_cli.up.model_list import MOST_BYTES, choose_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DISCOVER: Final = "PARLEY_LLM_DISCOVER"
"""The variable that turns this off."""

USUAL_PORTS: Final = {"Ollama": 11434, "LM Studio": 1234, "vLLM": 8000, "llama.cpp": 8080}
"""Where servers of models listen if they are told nothing else, the first choice first."""

_HOSTS: Final = (LOOPBACK, "::1")
# Who names one of these has chosen.
_CHOICES: Final = (
    *("PARLEY_LLM_ENGINE", "PARLEY_LLM_URL", "PARLEY_LLM_MODEL", "PARLEY_LLM_API_KEY", "PARLEY_LLM_FALLBACKS"),
    *("PARLEY_LLM_ADDRESS", "PARLEY_LLAMACPP_MODEL"),
)
_WORDS: Final = {"": True, "on": True, "1": True, "true": True, "yes": True} | dict.fromkeys(
    ("off", "0", "false", "no"), False
)
# A list is made at once, also while a model is being loaded; nobody waits long for what may not be there.
PATIENCE: Final = aiohttp.ClientTimeout(total=2.0, sock_connect=0.5)
"""How long one that is asked is waited for."""

_CHUNK_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True)
class Found:
    """A server of models on this machine."""

    server: str
    """What usually listens there, for people."""
    host: str
    """Host and port."""
    model: str
    """The model that is taken of it."""

    def settings(self) -> dict[str, str]:
        """Settings with which the LLM server asks it, and its rules while it is away."""
        return {
            "PARLEY_LLM_ENGINE": "openai",
            "PARLEY_LLM_URL": f"http://{self.host}/v1",
            "PARLEY_LLM_MODEL": self.model,
            "PARLEY_LLM_FALLBACKS": "rules",
            "PARLEY_LLM_DISCOVERED": "true",
        }

    def __str__(self) -> str:
        return f"{self.model} at {self.host}, where {self.server} usually is"


def is_wanted(environment: Mapping[str, str]) -> bool:
    """True when the user has named no model or engine, and has not turned this off.

    Raises:
        InvalidInput: the variable that turns it off has another value.
    """
    word = environment.get(DISCOVER, "").strip().lower()
    if word not in _WORDS:
        raise InvalidInput(f"{DISCOVER}={environment[DISCOVER]}: not one of on, off", field=DISCOVER)
    return _WORDS[word] and not any(environment.get(name, "").strip() for name in _CHOICES)


async def discover(
    environment: Mapping[str, str],
    ports: Mapping[str, int] = USUAL_PORTS,
    patience: aiohttp.ClientTimeout = PATIENCE,
) -> Found | None:
    """The first server at `ports` that has a model to talk with; Parley's own ports are left out. None: there is none.

    Raises:
        InvalidInput: a variable of a port holds none.
    """
    own = {port_of(environment, variable) for variable in PORTS}
    places = [(name, joined(host, port)) for name, port in ports.items() if port not in own for host in _HOSTS]
    found = await _ask([host for _, host in places], patience)
    return next((Found(name, host, found[host]) for name, host in places if found[host]), None)


async def _ask(hosts: Sequence[str], patience: aiohttp.ClientTimeout) -> dict[str, str]:
    """The model of each host, all asked at once."""
    async with (
        aiohttp.ClientSession(
            timeout=patience, trust_env=False, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as http,
        asyncio.TaskGroup() as tasks,
    ):
        looks = {host: tasks.create_task(_look(http, host), name=host) for host in hosts}
    return {host: look.result() for host, look in looks.items()}


async def _look(http: aiohttp.ClientSession, host: str) -> str:
    """The model that is taken of a host; empty: none, or no such server."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    try:
        async with http.get(f"http://{host}/v1/models", headers=headers, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                return ""
            found = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                found += chunk
                if len(found) > MOST_BYTES:
                    return ""
        return choose_model(found.decode())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return ""
