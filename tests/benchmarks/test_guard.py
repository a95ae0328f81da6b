"""When the ratio guard fails a change, by hand-made figures and a repository of its own."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from benchmarks.compare import Held, Side
from benchmarks.guard import NoneBefore, before, changes, judge, problems, side_by_side

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.compare import Figures


def runs(*figures: tuple[float, float]) -> list[Figures]:
    """Runs with this CPU a session-minute and own delay p50, in ms."""
    return [{"cpu_per_session_minute": cpu, "own_delay_p50_ms": delay} for cpu, delay in figures]


@pytest.mark.parametrize(
    ("after", "named"),
    [
        ([(1.0, 20.0), (1.0, 20.0)], []),
        ([(1.24, 29.0), (1.24, 29.0)], []),
        ([(1.3, 20.0), (1.3, 20.0)], ["CPU"]),
        ([(1.0, 31.0), (1.0, 31.0)], ["own delay"]),
        ([(1.5, 60.0), (1.5, 60.0)], ["CPU", "own delay"]),
        # The run of one pair was disturbed.
        ([(2.45, 95.0), (1.2, 24.0)], []),
    ],
)
def test_what_became_much_dearer_or_slower_is_named(after: list[tuple[float, float]], named: list[str]) -> None:
    found = problems(runs((1.0, 20.0), (1.0, 20.0)), runs(*after))
    assert [line.startswith(name) for line, name in zip(found, named, strict=True)] == [True] * len(named)


def test_a_delay_of_few_milliseconds_may_be_many_times_what_it_was() -> None:
    assert problems(runs((1.0, 3.0)), runs((1.0, 12.0))) == []
    assert problems(runs((1.0, 3.0)), runs((1.0, 14.0))) != []


def test_a_machine_that_slows_down_in_between_is_no_reason_to_fail() -> None:
    assert problems(runs((1.0, 20.0), (2.0, 90.0)), runs((1.1, 22.0), (2.1, 95.0))) == []


def test_figures_that_are_not_known_are_no_good_ones() -> None:
    unknown: list[Figures] = [{"cpu_per_session_minute": None, "own_delay_p50_ms": None}]
    assert len(problems(runs((1.0, 20.0)), unknown)) == 2


GOOD = (runs((1.0, 20.0)), runs((1.0, 20.0)))
BAD = (runs((1.0, 20.0)), runs((2.0, 20.0)))


@pytest.mark.parametrize(
    ("measured", "fails", "looked"),
    [([GOOD], False, 1), ([BAD, GOOD], False, 2), ([BAD, BAD], True, 2)],
)
async def test_what_is_worse_is_measured_once_more(
    measured: list[tuple[list[Figures], list[Figures]]],
    fails: bool,  # noqa: FBT001 - a table
    looked: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = iter(measured)
    looks = 0

    async def measure() -> tuple[list[Figures], list[Figures]]:
        nonlocal looks
        looks += 1
        return next(left)

    assert bool(await judge(measure)) is fails
    assert looks == looked
    assert ("once more" in capsys.readouterr().out) is (looked > 1)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository of two commits, the second of which changes a document alone."""
    for number, name in enumerate(("parley/code.py", "notes.md")):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{number}\n")
        if not number:
            git(tmp_path, "init", "--quiet")
        git(tmp_path, "add", "--all")
        git(tmp_path, "commit", "--quiet", "--message", name)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=somebody", "-c", "user.email=somebody@parley.example")
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True)


def test_the_commit_before_is_brought_as_it_was(clone: Path) -> None:
    files = before(clone, "HEAD~1")
    assert files is not None
    with tarfile.open(fileobj=io.BytesIO(files)) as archive:
        assert archive.getnames() == ["parley", "parley/code.py"]


def test_a_clone_without_a_commit_before_is_told_apart(clone: Path, tmp_path: Path) -> None:
    assert before(clone, "HEAD~2") is None
    shallow = tmp_path / "shallow"
    git(clone, "clone", "--quiet", "--depth", "1", f"file://{clone}", str(shallow))
    assert before(shallow, "HEAD") is not None
    assert before(shallow, "HEAD~1") is None


async def test_a_commit_before_that_does_not_start_is_told_apart(clone: Path) -> None:
    program = clone / "parley_cli" / "__main__.py"
    program.parent.mkdir()
    program.write_text("raise SystemExit(0)\n")
    with pytest.raises(NoneBefore):
        await side_by_side(Side("before", clone, {}), Side("this", clone, {}), Held(1, 1.0))


def test_only_what_runs_is_measured(clone: Path) -> None:
    assert not changes(clone, "HEAD~1")
    (clone / "parley" / "code.py").write_text("2\n")
    assert changes(clone, "HEAD~1")
