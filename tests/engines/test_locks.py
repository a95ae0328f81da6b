"""What the large engines are installed from, without asking any package what else it wants, is all that they want."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from tests.repo.locks import requirements, unpinned

LOCKS = Path(__file__).resolve().parents[2] / "locks"
NOT_NEEDED = {"torchaudio", "torchcodec", "torchvision", "triton"}


def test_what_a_pinned_package_asks_for_is_pinned_but_for_what_is_left_out_on_purpose() -> None:
    torch = "torch-cpu.txt" if metadata.version("torch").endswith("+cpu") else "torch.txt"
    pins = [pin for name in ("engines.txt", torch) for pin in requirements(LOCKS / name)]
    # What is for GPUs is left out of the one lock, and stands beside the torch that asks for it in the other.
    overrides = [each for each in requirements(LOCKS / "overrides.txt") if each.name in {"torch", *NOT_NEEDED}]
    # Its extra "image" asks for its extra "opencv", which is one package more.
    overrides.append(Requirement("mistral-common"))
    assert unpinned(pins, overrides) == []
    names = {pin.name for pin in pins}
    assert "opencv-python-headless" in names
    assert names & NOT_NEEDED == set()
