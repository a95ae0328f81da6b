"""The command line where the distribution was installed without it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.parley.installed import SDK_ALONE


@pytest.mark.parametrize("arguments", [(), ("talk",), ("chat", "hello"), ("models", "list"), ("--help",)])
def test_without_its_extra_it_says_which_one_to_install(arguments: tuple[str, ...]) -> None:
    run = f"{SDK_ALONE}; from parley_cli import main; sys.exit(main({arguments!r}))"
    ended = subprocess.run([sys.executable, "-c", f"import sys; {run}"], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    what = "what the command line needs (aiohttp, av, soxr) is not installed"
    assert ended.stderr == f"parley: {what}: pip install '.[cli]' in the folder of Parley\n"


def test_with_it_the_command_says_how_it_is_used() -> None:
    run = "import sys; from parley_cli import main; sys.exit(main(['--help']))"
    ended = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("usage: parley ")


def test_what_serves_is_named_where_only_the_command_line_is_installed() -> None:
    # A Python that sees what is installed, but nothing that serves.
    hide = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'prometheus_client' else find(name, package)\n"
        "from parley_cli import main; sys.exit(main(['up']))"
    )
    ended = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert (
        ended.stderr == "parley: what asr_server needs is not installed: pip install '.[all]' in the folder of Parley\n"
    )
