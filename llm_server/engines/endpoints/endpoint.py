"""One OpenAI-compatible endpoint: where it is, who it is, and what may be told of it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from llm_server.engines.endpoints.attempt import Habits

_CHAT: Final = "/chat/completions"
_MOST_OF_A_QUOTE: Final = 200
_AZURE: Final = "api-version"
# In a query much is short and no secret, and stands everywhere.
_SHORTEST_SECRET: Final = 4
_USER: Final = re.compile(r"//[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, and whom."""

    url: str
    """Base of the API, such as "http://127.0.0.1:11434/v1"; a query goes along with every request."""
    model: str
    """Name of the model there."""
    api_key: str = field(default="", repr=False)
    """Sent as a bearer token; never logged."""
    habits: Habits = field(default_factory=Habits, repr=False, compare=False)
    """What it was found to want."""

    @property
    def name(self) -> str:
        """Model and host, for people; what else is in the address may be secret."""
        return f"{self.model}@{self.host}"

    @property
    def host(self) -> str:
        """Host, and port where the address names one."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        return f"{host}:{parts.port}" if parts.port else host

    @property
    def chat(self) -> str:
        """Address of the chat completions."""
        return self._at(_CHAT)

    @property
    def models(self) -> str:
        """Address of the list of models."""
        return self._at("/models")

    @property
    def headers(self) -> dict[str, str]:
        """What says who asks."""
        if not self.api_key:
            return {}
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return headers | ({"api-key": self.api_key} if _AZURE in urlsplit(self.url).query else {})

    def quoted(self, text: str) -> str:
        """The beginning of what it says, for people: on one line, and without what is secret."""
        return self.masked(" ".join(text.split()))[:_MOST_OF_A_QUOTE]

    def masked(self, text: str) -> str:
        """`text` without key, password and query: an endpoint may quote what it does not like."""
        parts = urlsplit(self.url)
        values = [parts.password or "", *(each.partition("=")[2] for each in parts.query.split("&"))]
        secrets = {each for each in (parts.query, *values, *map(unquote_plus, values)) if len(each) >= _SHORTEST_SECRET}
        secrets |= {self.api_key} - {""}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        # Whoever else stands there in an address, as a proxy does.
        return _USER.sub("//***@", text)

    def _at(self, path: str) -> str:
        parts = urlsplit(self.url)
        base = parts.path.rstrip("/").removesuffix(_CHAT)
        return urlunsplit(parts._replace(path=f"{base}{path}", fragment=""))
