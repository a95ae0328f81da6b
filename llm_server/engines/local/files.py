"""The small files that lie beside a model's weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from parley.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path


def read_json(path: Path) -> dict[str, object]:
    """The object in a file; empty where there is no such file.

    Raises:
        Unavailable: the file cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise Unavailable(f"{path} cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}
