"""An interpreter in which only the distribution is installed, without any of its extras."""

from __future__ import annotations

# Packages of `dependencies` in pyproject.toml, by what is imported. Whatever else is installed here is refused.
OWN = ("google", "grpc", "grpc_health", "grpc_status", "numpy", "parley", "parley_cli", "typing_extensions")

_FINDER = f"""
import sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        first = name.partition('.')[0]
        if first not in {OWN!r} and first not in sys.stdlib_module_names and not first.startswith('_'):
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Finder)
"""

SDK_ALONE = f"exec({_FINDER!r})"
"""Python that makes it so, to be run first."""
