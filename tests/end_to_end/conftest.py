"""What the tests of the page share: a gateway that does as it is told, and the page that it serves."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.chromium import Visitor, visiting
from tests.end_to_end.scripted_gateway import ScriptedGateway, scripted_gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import Page


@pytest.fixture
async def gateway() -> AsyncIterator[ScriptedGateway]:
    async with scripted_gateway() as opened:
        yield opened


@pytest.fixture
async def page(gateway: ScriptedGateway) -> AsyncIterator[Page]:
    async with visiting(gateway.url, Visitor()) as opened:
        yield opened


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose name is short enough for a Unix socket in it."""
    with tempfile.TemporaryDirectory(prefix="p-") as folder:
        yield Path(folder)
