"""PURE: what `parley doctor` found, and how it is said."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence


class State(StrEnum):
    """How bad it is."""

    FINE = "fine"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; its fields are those of `--json`."""

    check: str
    """What was looked at: settings, packages, engines, ports, models, endpoint, model, page or proxy."""
    state: State
    """How bad it is."""
    what: str
    """What was seen."""
    remedy: str = ""
    """What to do about it; empty where there is nothing to do."""


_SIGNS: Final = {State.FINE: "ok   ", State.NOTE: "note ", State.WRONG: "WRONG"}
_CHECK_WIDTH: Final = 8


def is_well(findings: Sequence[Finding]) -> bool:
    """True when nothing keeps Parley from working."""
    return all(finding.state is not State.WRONG for finding in findings)


def lines(findings: Sequence[Finding]) -> list[str]:
    """What is printed for people."""
    told = []
    for finding in findings:
        told.append(f"{_SIGNS[finding.state]} {finding.check:{_CHECK_WIDTH}} {finding.what}")
        if finding.remedy:
            told.append(f"{'':{len(_SIGNS[finding.state]) + _CHECK_WIDTH + 2}}-> {finding.remedy}")
    wrong = sum(finding.state is State.WRONG for finding in findings)
    told.append("Nothing is in the way of Parley." if not wrong else f"{wrong} to mend; what to do stands behind ->.")
    return told


def as_object(findings: Sequence[Finding]) -> dict[str, object]:
    """What is printed for programs."""
    return {"well": is_well(findings), "findings": [asdict(finding) for finding in findings]}
