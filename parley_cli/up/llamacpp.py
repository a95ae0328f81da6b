"""A model's file that `parley up` serves by llama.cpp, in a process of its own: where it is, and when it answers."""

from __future__ import annotations

import asyncio
import importlib.util
import secrets
import socket
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp

from parley._variables import LOOPBACK
from parley.errors import NotFound, ParleyError, not_installed
from parley_cli.models.hub import find_hub
from parley_cli.models.names import Kind, parse
from parley_cli.models.store import find_store

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL: Final = "PARLEY_LLAMACPP_MODEL"
"""The variable that names the file, by its path or as OWNER/REPOSITORY:FILE of the hub."""
PORT: Final = "PARLEY_LLAMACPP_PORT"
"""Set for the processes: where it listens."""

_PACKAGE: Final = "xllamacpp"
_AGAIN_SECONDS: Final = 0.1
_PATIENCE: Final = aiohttp.ClientTimeout(total=5.0)
_KEY_BYTES: Final = 24


def find_file(named: str) -> Path | None:
    """The file that the variable's value names; None: it is not on this machine.

    Raises:
        InvalidInput: the value names neither a file nor one of the hub.
        Unavailable: huggingface_hub is not installed.
    """
    if (path := Path(named).expanduser()).is_file():
        return path.absolute()
    model = parse(f"{Kind.GGUF}:{named}")
    record = find_store(find_hub().cache).find(model)
    if record is None or record.broken_off or record.missing():
        return None
    return record.place.path(record.files[0])


def settings(path: Path) -> dict[str, str]:
    """Settings with which llama.cpp serves a file, and the LLM server asks it.

    Raises:
        Unavailable: the package is not installed.
    """
    check_installed()
    port = _free_port()
    return {
        MODEL: str(path),
        PORT: str(port),
        "PARLEY_LLM_ENGINE": "openai",
        "PARLEY_LLM_URL": f"http://{LOOPBACK}:{port}/v1",
        "PARLEY_LLM_MODEL": path.stem,
        "PARLEY_LLM_API_KEY": secrets.token_urlsafe(_KEY_BYTES),
        "PARLEY_LLM_FALLBACKS": "rules",
    }


def check_installed() -> None:
    """See whether llama.cpp is here.

    Raises:
        Unavailable: it is not.
    """
    if importlib.util.find_spec(_PACKAGE) is None:
        raise not_installed(_PACKAGE, "llamacpp")


def absent(named: str) -> ParleyError:
    """What is said when the file is not here."""
    return NotFound(
        f"{MODEL}={named} is not on this machine: add --pull, which fetches it; or start Ollama, or name another model "
        "in PARLEY_LLM_URL and PARLEY_LLM_MODEL"
    )


async def until_healthy(environment: Mapping[str, str]) -> None:
    """Return when it has loaded its model, however long that takes."""
    async with aiohttp.ClientSession(timeout=_PATIENCE, trust_env=False) as http:
        while True:
            if await _is_healthy(http, f"http://{LOOPBACK}:{environment[PORT]}/health"):
                return
            await asyncio.sleep(_AGAIN_SECONDS)


async def _is_healthy(http: aiohttp.ClientSession, address: str) -> bool:
    try:
        async with http.get(address, allow_redirects=False) as response:
            return response.status == HTTPStatus.OK
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port
