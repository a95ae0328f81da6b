"""Makes the dashboards: `make generate` writes them, and `make check` looks whether they are as they would be made.

python -m deploy.observability.grafana.make [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.observability.grafana.source import capacity, conversation_quality, turn_latency

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Dashboard

FOLDER: Final = Path(__file__).resolve().parent / "dashboards"
_BOARDS: Final = {
    "turn-latency.json": turn_latency.dashboard,
    "capacity.json": capacity.dashboard,
    "conversation-quality.json": conversation_quality.dashboard,
}


def made() -> dict[str, str]:
    """The dashboards as JSON, by their files' names."""
    return {name: _json(make().build()) for name, make in _BOARDS.items()}


def _json(board: Dashboard) -> str:
    # Links to a panel go by its number, and the library gives none.
    for number, panel in enumerate(board.panels or (), start=1):
        panel.id_val = number
    return json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    """Write them, or with `--check` say which are not as they would be written."""
    wanted = made()
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    if sys.argv[1:] != ["--check"]:
        FOLDER.mkdir(exist_ok=True)
        for name in found.keys() - wanted.keys():
            (FOLDER / name).unlink()
        for name, text in wanted.items():
            (FOLDER / name).write_text(text, encoding="utf-8")
        return 0
    stale = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    if stale:
        print(f"{', '.join(stale)} in {FOLDER}: not as they are made; run make generate, and commit what it writes")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
