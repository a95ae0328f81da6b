from __future__ import annotations

import _ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from edge_gateway.audio.libopus import Libopus, find_libopus
from parley.errors import Unavailable


def test_the_library_in_pyavs_wheel_is_found_and_works() -> None:
    path = find_libopus()
    assert Path(path).name.startswith("libopus")
    assert Libopus(path).version.startswith("libopus 1.")


def test_looking_for_the_library_does_not_import_pyav() -> None:
    program = (
        "import sys; from edge_gateway.audio.libopus import find_libopus; find_libopus(); print('av' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "False"


def test_the_users_own_library_comes_first(tmp_path: Path) -> None:
    own = tmp_path / "libopus-of-mine.so"
    own.symlink_to(find_libopus())
    assert find_libopus(str(own)) == str(own)
    assert Libopus(find_libopus(str(own))).path == str(own)


def test_a_missing_library_of_the_users_is_an_error_that_names_it() -> None:
    with pytest.raises(Unavailable, match=r"PARLEY_LIBOPUS=/nowhere/libopus\.so") as raised:
        find_libopus("/nowhere/libopus.so")
    assert raised.value.field == "PARLEY_LIBOPUS"


def test_without_any_library_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    with pytest.raises(Unavailable, match="pip install av"):
        find_libopus()


def test_a_file_that_is_no_library_is_an_error_that_names_it(tmp_path: Path) -> None:
    text = tmp_path / "libopus.so"
    text.write_text("no library")
    with pytest.raises(Unavailable, match=r"libopus\.so cannot be used as libopus"):
        Libopus(str(text))


def test_another_library_than_libopus_is_an_error() -> None:
    with pytest.raises(Unavailable, match="cannot be used as libopus"):
        Libopus(_ctypes.__file__)
