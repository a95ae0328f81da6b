"""What starts a whole Parley is a module beside these tests, which importlib mode does not put on the path by itself."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
