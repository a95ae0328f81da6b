"""`python -m parley.cli` is `parley`."""

from __future__ import annotations

import sys

from parley.cli import main

sys.exit(main())
