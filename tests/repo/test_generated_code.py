"""parley/v1 is what its protos say, to the byte."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_the_generated_code_is_what_the_protos_generate(root: Path) -> None:
    check = _generate_in(root, "--check")
    assert check.returncode == 0, check.stdout + check.stderr


def test_stale_missing_and_left_over_files_are_found_and_mended(root: Path, tmp_path: Path) -> None:
    for part in ("protos", "parley/v1"):
        _copy(root / part, tmp_path / part)
    package = tmp_path / "parley" / "v1"
    package.joinpath("asr_pb2.py").write_text("stale = True\n")
    package.joinpath("tts_pb2.pyi").unlink()
    package.joinpath("gone_pb2.py").write_text("")

    check = _generate_in(tmp_path, "--check")
    assert check.returncode == 1
    assert [line.split(":")[0] for line in check.stdout.splitlines()] == [
        "parley/v1/asr_pb2.py",
        "parley/v1/gone_pb2.py",
        "parley/v1/tts_pb2.pyi",
    ]
    assert _generate_in(tmp_path).returncode == 0
    assert _generate_in(tmp_path, "--check").returncode == 0


def _generate_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = folder / "protos" / "generate.py"
    return subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False)


def _copy(folder: Path, target: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
