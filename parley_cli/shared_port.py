"""Which gateways share a port, as one of them tells at `/stats`. Knows nothing of what is asked of them."""

from __future__ import annotations

from http import HTTPStatus

import aiohttp


async def gateways_at(http: aiohttp.ClientSession, url: str) -> tuple[int, ...]:
    """Of each gateway behind the page at `url` the port that is its own, 0 where it has none.

    Empty where there is one gateway alone, or it does not tell: an older one, or one whose figures are not for us.
    """
    try:
        async with http.get(f"{url}/stats") as response:
            told = await response.json() if response.status == HTTPStatus.OK else {}
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return ()
    return _ports(told)


def _ports(told: object) -> tuple[int, ...]:
    gateways = told.get("gateways") if isinstance(told, dict) else None
    rows = gateways if isinstance(gateways, list) else []
    ports = [row.get("port") for row in rows if isinstance(row, dict)]
    return tuple(port for port in ports if isinstance(port, int))
