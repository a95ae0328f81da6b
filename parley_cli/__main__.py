"""`python -m parley_cli` is `parley`."""

from __future__ import annotations

import sys

from parley_cli import main

sys.exit(main())
