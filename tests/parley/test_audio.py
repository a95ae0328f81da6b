"""Sound in its forms, and what is said where the libraries for more are not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.parley.installed import SDK_ALONE


@pytest.mark.parametrize(
    ("code", "package"),
    [("audio.decode_file('speech.flac', 16_000)", "av"), ("audio.resample(b'', 48_000, 16_000)", "soxr")],
)
def test_what_is_not_installed_is_named_with_its_extra(code: str, package: str) -> None:
    run = (
        f"{SDK_ALONE}\nfrom parley import Unavailable, audio\n"
        f"try: {code}\nexcept Unavailable as error: print(error, end='')"
    )
    ended = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith(f"{package}, which is needed ")
    assert ended.stdout.endswith("is not installed: pip install '.[audio]' in the folder of Parley")


def test_equal_rates_and_levels_need_no_library() -> None:
    run = (
        f"{SDK_ALONE}\nfrom parley import audio\n"
        "same = audio.to_s16le(audio.to_float32(audio.resample(b'\\0@', 16_000, 16_000)))\n"
        "print(same, round(audio.level_db(same), 1))"
    )
    ended = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    assert ended.stdout == "b'\\x00@' -6.0\n"
