"""Has the models of endpoints loaded before they are asked: at start, and again when one was given up for its silence.

An endpoint unloads a model that nobody asks for a while, and breaks the loading off when who asked goes away. So one
token is asked for beside the questions, and waited for; nobody else waits for any of this.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from llm_server.engine import Conversation, Message, Role
from llm_server.engines.endpoints.attempt import Attempt
from llm_server.engines.endpoints.failure import EndpointFailed
from llm_server.engines.endpoints.proxies import proxy_for
from llm_server.engines.endpoints.transport import BROKEN, CONNECT_SECONDS, TOO_MUCH, read_some, refused, why
from llm_server.engines.json_values import as_list, as_object, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from llm_server.engines.endpoints.endpoint import Endpoint

# The largest models take minutes to load.
_SECONDS: Final = 300.0
_HELLO: Final = Conversation((Message(Role.USER, "Hello"),), max_tokens=1)
_MOST_OF_AN_ANSWER: Final = 65_536
# Hosts of many models list them with all that is known of each.
_MOST_OF_A_LIST: Final = 4_194_304
# An endpoint that will not write one token may be well all the same.
_WILL_NOT: Final = (*TOO_MUCH, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
# The settings that name the first endpoint, and the others.
_FIRST: Final = "PARLEY_LLM_URL"
_OTHERS: Final = "PARLEY_LLM_FALLBACKS"

_log = logging.getLogger("parley.llm")


class WarmUp:
    """Keeps what is known of endpoints: which of them are warm."""

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        """All of them are cold."""
        self._endpoints = endpoints
        self._warm = [False for _ in endpoints]
        self._problems = ["" for _ in endpoints]
        self._wanted = [asyncio.Event() for _ in endpoints]
        self.question()

    @property
    def problem(self) -> str:
        """What was wrong with each of them when they were tried last; empty where one of them may be well."""
        return "; ".join(self._problems) if all(self._problems) else ""

    @property
    def first_problem(self) -> str:
        """What was wrong with the first of them when it was tried last; empty where it may be well."""
        return self._problems[0]

    def question(self) -> None:
        """A question has come: time to try again what could not be warmed up."""
        for wanted in self._wanted:
            wanted.set()

    def answered(self, place: int) -> None:
        """This one has written a reply, so it is warm."""
        self._problems[place] = ""
        self._warm[place] = True

    def silent(self, place: int) -> None:
        """This one gave no sign of life: its model may be cold again."""
        self._warm[place] = False
        self._wanted[place].set()

    async def run(self, http: aiohttp.ClientSession, warmed: Callable[[int], None]) -> None:
        """Warm up what is cold, side by side, until cancelled; `warmed` is told of each that is warm."""
        async with asyncio.TaskGroup() as tasks:
            for place, endpoint in enumerate(self._endpoints):
                tasks.create_task(self._run(http, place, warmed), name=f"warm up {endpoint.name}")

    async def _run(self, http: aiohttp.ClientSession, place: int, warmed: Callable[[int], None]) -> None:
        while True:
            await self._wanted[place].wait()
            self._wanted[place].clear()
            if self._warm[place]:
                continue
            try:
                await load_model(http, self._endpoints[place])
            except EndpointFailed as failure:
                self._problems[place] = f"{_FIRST if place == 0 else _OTHERS}: {failure}"
                _log.warning("not warmed up, the next question tries again: %s", self._problems[place])
            else:
                self._problems[place] = ""
                self._warm[place] = True
                warmed(place)


async def load_model(http: aiohttp.ClientSession, endpoint: Endpoint) -> None:
    """Have a model loaded: ask for one token, or, of an endpoint that will not, whether it has the model.

    Raises:
        EndpointFailed: it does neither.
    """
    options: dict[str, Any] = {
        "headers": endpoint.headers,
        "timeout": aiohttp.ClientTimeout(total=_SECONDS, sock_connect=CONNECT_SECONDS),
        "proxy": proxy_for(endpoint.chat),
    }
    attempt: Attempt | None = Attempt.first(_HELLO, endpoint.habits)
    status, refusal = 0, EndpointFailed(f"{endpoint.name} has not been asked")
    try:
        while attempt is not None:
            async with http.post(
                endpoint.chat, json=attempt.body(endpoint.model, streams=False), **options
            ) as response:
                if response.ok:
                    _check(endpoint, await read_some(response, _MOST_OF_AN_ANSWER))
                    endpoint.habits.learn(attempt)
                    return
                status, refusal = response.status, await refused(endpoint, response)
                attempt = attempt.after(refusal.refusal)
        if status not in _WILL_NOT:
            raise refusal
        async with http.get(endpoint.models, **options) as response:
            listed = await read_some(response, _MOST_OF_A_LIST) if response.ok else ""
    except TimeoutError:
        raise EndpointFailed(f"{endpoint.name} has not answered for {_SECONDS:g} s") from None
    except BROKEN as error:
        raise EndpointFailed(f"{endpoint.name} cannot be reached: {why(endpoint, error)}") from error
    if not _lists(listed, endpoint.model):
        raise refusal


def _check(endpoint: Endpoint, answer: str) -> None:
    """See that an answer is no failure in the guise of one."""
    try:
        error = as_object(load(answer)).get("error")
    except ValueError:
        return
    if error:
        raise EndpointFailed(f"{endpoint.name} says: {endpoint.quoted(answer)}")


def _lists(answer: str, model: str) -> bool:
    """True when an answer to /models has the model; Ollama adds a tag to names that were given without one."""
    try:
        entries = as_list(as_object(load(answer)).get("data"))
    except ValueError:
        return False
    names = [as_object(each).get("id") for each in entries]
    return any(isinstance(name, str) and f"{name}:".startswith(f"{model}:") for name in names)
