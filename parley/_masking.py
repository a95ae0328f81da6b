"""Keeps passwords and keys out of what people read: log lines, and errors.

A secret is known by where it stands (before the @ of a URL, behind `api_key=` or `Bearer`), or because a variable of
the environment holds it. Knows nothing of logs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MASK: Final = "***"
_BY_PLACE: Final = (
    (re.compile(r"(?<=://)[^\s/?#@\"'<>]++(?=@)"), _MASK),
    (re.compile(r"(?i)([?&](?:api[-_]?key|key|(?:access[-_]?)?token|password|secret|sig)=)[^\s&#\"']+"), rf"\1{_MASK}"),
    (re.compile(r"\b(Bearer\s+)[\w.~+/=-]{8,}"), rf"\1{_MASK}"),
)
_OURS: Final = re.compile(r"(?:PARLEY|HF|OTEL)_")
_SECRET: Final = re.compile(r"(?:KEYS?|TOKEN|PASSWORD|SECRET)$")
# The path of a file, and not what is in it.
_PATH: Final = re.compile(r"(?:TLS|HTTPS)_KEY$")
# Greedy: a password in which somebody has not written / or @ as %.. is a secret all the same.
_USERINFO: Final = re.compile(r"://([^\s,]+)@")
_VALUE: Final = re.compile(r"[?&](?:api[-_]?key|key|token|password|secret|sig)=([^\s&#,]+)", re.IGNORECASE)
_SHORTEST: Final = 3
# What is shorter may be part of a word; it counts where it stands alone.
_SURELY: Final = 8


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without `secrets`, and without what stands where secrets do."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SURELY:
            text = text.replace(secret, _MASK)
        elif len(secret) >= _SHORTEST:
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", _MASK, text)
    for pattern, instead in _BY_PLACE:
        text = pattern.sub(instead, text)
    return text


def secrets_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What no line may show of an environment: its keys, tokens and passwords, those in URLs too."""
    found: set[str] = set()
    for name, value in environment.items():
        if _OURS.match(name):
            if _SECRET.search(name) and not _PATH.search(name):
                found |= {value.strip(), *(each.strip() for each in value.split(","))}
            found |= set(secrets_in(value))
    return tuple(each for each in found if len(each) >= _SHORTEST)


def secrets_in(url: str) -> tuple[str, ...]:
    """The passwords in a URL, or in several with commas between, as they may be written in a message."""
    found = set(_VALUE.findall(url))
    for userinfo in _USERINFO.findall(url):
        found.add(userinfo)
        found.add(userinfo.partition(":")[2] or userinfo)
    return tuple({way for each in found for way in (each, unquote(each), quote(unquote(each), safe=""))})
