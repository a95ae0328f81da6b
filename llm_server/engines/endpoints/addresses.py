"""The endpoints that the settings name."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Final
from urllib.parse import urlsplit

from llm_server.engines.endpoints.endpoint import Endpoint
from parley.errors import Unavailable

_SCHEMES: Final = ("http://", "https://")
# Names in parts of at most 63 characters, or an address of IPv6.
_HOST: Final = re.compile(r"(?:[^\s.:]{1,63}\.)*[^\s.:]{1,63}\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%\w+)?")


RULES: Final = "rules"
"""What stands among the others where rules are to answer when no endpoint does."""


def split_rules(others: str) -> tuple[str, bool]:
    """The others that are endpoints, and whether `rules` stand behind them.

    Raises:
        Unavailable: the rules stand before an endpoint, which would never be asked.
    """
    names = [each.strip() for each in others.split(",") if each.strip()]
    if RULES not in names:
        return others, False
    if names.index(RULES) != len(names) - 1:
        raise Unavailable(f"PARLEY_LLM_FALLBACKS={others}: {RULES} always answer, so name them last")
    return ",".join(names[:-1]), True


def endpoints(first: Endpoint, others: str, keys: str) -> tuple[Endpoint, ...]:
    """The first endpoint, and `others`: MODEL@URL separated by commas, with their keys in the same order.

    Raises:
        Unavailable: something else is there.
    """
    if not first.model:
        raise Unavailable("PARLEY_LLM_MODEL is empty: name the model that PARLEY_LLM_URL is to answer with")
    _check(first, "PARLEY_LLM_URL", "PARLEY_LLM_API_KEY")
    found = [first]
    names = [each.strip() for each in others.split(",") if each.strip()]
    given = [each.strip() for each in keys.split(",")] if keys.strip() else []
    if len(given) > len(names):
        raise Unavailable(f"PARLEY_LLM_FALLBACK_API_KEYS has {len(given)} keys for {len(names)} fallbacks")
    for entry, key in zip_longest(names, given, fillvalue=""):
        model, at, url = entry.partition("@http")
        if not at or not model or not url.startswith(("://", "s://")):
            raise Unavailable(
                f"PARLEY_LLM_FALLBACKS has {entry!r}: give MODEL@URL, such as llama3.2@http://host:11434/v1"
            )
        found.append(Endpoint(f"http{url}", model, key))
        _check(found[-1], "PARLEY_LLM_FALLBACKS", "PARLEY_LLM_FALLBACK_API_KEYS")
    return tuple(found)


def _check(endpoint: Endpoint, variable: str, key_variable: str) -> None:
    """See that requests can be made of it at all. What is secret in an address is not told.

    Raises:
        Unavailable: they cannot.
    """
    if not endpoint.url.startswith(_SCHEMES):
        raise Unavailable(f"{variable} must begin with http:// or https://")
    try:
        parts = urlsplit(endpoint.url)
        host, has_user = parts.hostname or "", parts.username is not None
        # Reading a port is what finds out that it is none.
        is_address = parts.port != 0 and _HOST.fullmatch(host) is not None
    except ValueError:
        is_address = has_user = False
    if not is_address:
        raise Unavailable(f"{variable} has an address whose host or port cannot be: give http://HOST:PORT/v1")
    if has_user and endpoint.api_key:
        raise Unavailable(
            f"{variable} has a user in its address and {key_variable} a key: an endpoint takes one of them"
        )
    if not (endpoint.api_key.isascii() and endpoint.api_key.isprintable()):
        raise Unavailable(
            f"{key_variable} has a character that no key has: write it again, on one line and without quotes"
        )
