"""Judges what came of the scenes: one figure for each thing that people notice, with its bound.

Knows nothing of wires or of sound.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from parley.conversation import (
    Duck,
    FlushPlayback,
    Outcome,
    ReplyAudioEnd,
    ReplyFinished,
    ReplyStarted,
    ReplyText,
    ReplyWord,
    TurnReport,
    UserUtterance,
)
from parley_cli.eval.scenes import HARMLESS, INTERRUPTING, Kind
from parley_cli.eval.verdict import Complaint, Figure, Verdict
from parley_cli.percentiles import percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from parley_cli.eval.stage import Observed

CUT_OFFS: Final = ("cut-offs, inner pauses up to 0.6 s", "cut-offs, no pause made", "cut-offs, longer pauses")
"""Names of the figures of people who were cut off."""
FIRST_TURNS: Final = "  first turns of a session"
"""Name of the figure of how long the first turns of sessions wait."""

_WORD = re.compile(r"[a-z0-9']+")
_HEARD_TOLERANCE_WORDS: Final = 1


def judge(observed: Sequence[Observed], head_starts: tuple[int, int]) -> Verdict:
    """The figures of an evaluation; `head_starts` are the speculative replies that were used, and wasted."""
    asked = [each for each in observed if each.scene.kind in (Kind.FLUENT, Kind.PAUSED)]
    long_pauses = [each for each in observed if each.scene.kind is Kind.LONG_PAUSE]
    noises = [each for each in observed if each.scene.kind is Kind.NOISE]
    into = [each for each in observed if each.scene.kind in INTERRUPTING + HARMLESS]
    complaints: list[Complaint] = []
    figures = (
        *_noise_figures(noises, complaints),
        *_turn_figures(asked, complaints),
        _long_pause_figure(long_pauses),
        *_interruption_figures(into, complaints),
        *_head_start_figures(asked, head_starts),
        _word_errors(asked + long_pauses),
    )
    return Verdict(figures, tuple(complaints))


def word_errors(said: str, heard: str) -> tuple[int, int]:
    """Words that must be changed, left out or put in to make `heard` of `said`, and the number of words said."""
    reference, hypothesis = _words(said), _words(heard)
    row = list(range(len(hypothesis) + 1))
    for count, word in enumerate(reference, 1):
        diagonal, row[0] = row[0], count
        for place, other in enumerate(hypothesis, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (word != other))
    return row[-1], len(reference)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("-", " "))


def _share(true: int, all_of: int) -> float:
    return 100 * true / all_of if all_of else math.nan


def _where(each: Observed) -> str:
    return f"{each.sitting}: {each.scene.kind.name.lower()}, {each.scene.name}"


def _noise_figures(noises: list[Observed], complaints: list[Complaint]) -> tuple[Figure, ...]:
    answered = [each for each in noises if each.of(ReplyStarted)]
    complaints += [Complaint("a noise was answered", _where(each)) for each in answered]
    return (Figure("replies to noise", len(answered), "", len(noises), 0),)


def _turn_figures(asked: list[Observed], complaints: list[Complaint]) -> tuple[Figure, ...]:
    paused = [each for each in asked if each.scene.kind is Kind.PAUSED]
    cut_off = [each for each in asked if any(at < each.ended for at, _ in each.of(ReplyStarted))]
    missed = [each for each in asked if not any(at >= each.ended for at, _ in each.of(UserUtterance))]
    in_one_breath = [each for each in asked if each.scene.kind is Kind.FLUENT]
    delays, fluent_delays = _delays_ms(asked), _delays_ms(in_one_breath)
    first_delays, later_delays = (
        _delays_ms(_turns_of_sessions(in_one_breath, 0, 1)),
        _delays_ms(_turns_of_sessions(in_one_breath, 2)),
    )
    latencies = _latencies_ms(in_one_breath)
    complaints += [Complaint("the user was cut off", _where(each)) for each in cut_off]
    complaints += [Complaint("a turn was not taken", _where(each)) for each in missed]
    cut_off_in_pause = sum(each.scene.kind is Kind.PAUSED for each in cut_off)
    return (
        Figure(CUT_OFFS[0], _share(cut_off_in_pause, len(paused)), "%", len(paused), 2),
        Figure(
            CUT_OFFS[1],
            _share(len(cut_off) - cut_off_in_pause, len(asked) - len(paused)),
            "%",
            len(asked) - len(paused),
        ),
        Figure("missed ends of turn", _share(len(missed), len(asked)), "%", len(asked)),
        # How many turns have a pause put into them is the set's choice, and so would be a median over all of them.
        Figure("end-of-turn delay p50, no pause made", percentile(fluent_delays, 0.5), "ms", len(fluent_delays), 350),
        Figure(FIRST_TURNS, percentile(first_delays, 0.5), "ms", len(first_delays)),
        Figure("  from the third turn on", percentile(later_delays, 0.5), "ms", len(later_delays)),
        Figure("end-of-turn delay p50, all turns", percentile(delays, 0.5), "ms", len(delays)),
        Figure("end-of-turn delay p95, all turns", percentile(delays, 0.95), "ms", len(delays), 800),
        Figure("mic to speaker p50, no pause made", percentile(latencies, 0.5), "ms", len(latencies), 450),
        Figure("mic to speaker p95, no pause made", percentile(latencies, 0.95), "ms", len(latencies), 700),
    )


def _long_pause_figure(asked: list[Observed]) -> Figure:
    cut_off = sum(any(at < each.ended for at, _ in each.of(ReplyStarted)) for each in asked)
    return Figure(CUT_OFFS[2], _share(cut_off, len(asked)), "%", len(asked))


def _delays_ms(asked: Iterable[Observed]) -> list[float]:
    return [1000 * (at - each.ended) for each in asked for at in _taken(each)]


def _latencies_ms(asked: Iterable[Observed]) -> list[float]:
    return [
        report.mic_to_speaker_ms
        for each in asked
        for at, report in each.of(TurnReport)
        if report.mic_to_speaker_ms is not None and at >= each.ended
    ]


def _turns_of_sessions(asked: Iterable[Observed], first: int, end: int | None = None) -> list[Observed]:
    """Of every session the turns from `first` on, up to `end`: what is learnt of a speaker shows in them."""
    sessions: dict[str, list[Observed]] = {}
    for each in asked:
        sessions.setdefault(each.sitting, []).append(each)
    return [each for turns in sessions.values() for each in turns[first:end]]


def _taken(each: Observed) -> list[float]:
    """When the turn was taken: the first utterance after the end of what was said, if there is one."""
    return [at for at, _ in each.of(UserUtterance) if at >= each.ended][:1]


def _interruption_figures(into: list[Observed], complaints: list[Complaint]) -> tuple[Figure, ...]:
    told = [each for each in into if each.reply]
    wrong = [each for each in told if not _is_right(each)]
    stopped = [each for each in told if each.scene.kind in INTERRUPTING and each.of(FlushPlayback)]
    harmless = [each for each in told if each.scene.kind in HARMLESS]
    false_stops = sum(bool(_early_flushes(each)) for each in harmless)
    ducked = [1000 * (_first(_ducks(each)) - each.began) for each in stopped if _ducks(each)]
    silent = [1000 * (_first(at for at, _ in each.of(FlushPlayback)) - each.began) for each in stopped]
    apart = [(each, difference) for each in stopped if (difference := _heard_difference(each)) is not None]
    exact = sum(difference <= _HEARD_TOLERANCE_WORDS for _, difference in apart)
    complaints += [
        Complaint(
            "a reply was not interrupted" if each.scene.kind in INTERRUPTING else "a reply was not left alone",
            _where(each),
        )
        for each in wrong
    ]
    complaints += [
        Complaint(f"the history is {difference} words off", _where(each))
        for each, difference in apart
        if difference > _HEARD_TOLERANCE_WORDS
    ]
    right = _share(len(told) - len(wrong), len(told))
    return (
        Figure("interruptions judged rightly", right, "%", len(told), 98, at_least=True),
        Figure("false interruptions", false_stops, "", len(harmless)),
        Figure("first voice to ducked p95", percentile(ducked, 0.95), "ms", len(ducked), 150),
        Figure("first voice to silent p50", percentile(silent, 0.5), "ms", len(silent)),
        Figure("first voice to silent p95", percentile(silent, 0.95), "ms", len(silent), 500),
        Figure("heard history within one word", _share(exact, len(apart)), "%", len(apart), 98, at_least=True),
    )


def _is_right(each: Observed) -> bool:
    flushed = [at for at, event in each.of(FlushPlayback) if event.reply == each.reply]
    if each.scene.kind in INTERRUPTING:
        return bool(flushed)
    gains = [event.gain_db for _, event in each.of(Duck) if event.reply == each.reply]
    back = not gains or gains[-1] == 0
    if each.scene.kind is Kind.ECHO:
        ends = [event.outcome for _, event in each.of(ReplyFinished) if event.reply == each.reply]
        return ends == [Outcome.COMPLETED] and len(each.of(ReplyStarted)) == 1
    return back and not _early_flushes(each)


def _early_flushes(each: Observed) -> list[float]:
    """When the reply was stopped by what happened in the scene, and not by the listener afterwards."""
    return [at for at, event in each.of(FlushPlayback) if event.reply == each.reply and at < each.ended + 1.4]


def _ducks(each: Observed) -> list[float]:
    return [at for at, event in each.of(Duck) if event.gain_db < 0 and event.reply == each.reply]


def _first(times: Iterable[float]) -> float:
    return next(iter(times))


def _heard_difference(each: Observed) -> int | None:
    """By how many words the history is off what had sounded when the reply was flushed; None where it is not known."""
    finished = [event for _, event in each.of(ReplyFinished) if event.reply == each.reply]
    if not finished:
        return None
    text = "".join(event.text for _, event in each.of(ReplyText) if event.reply == each.reply)
    marks = [event for _, event in each.of(ReplyWord) if event.reply == each.reply]
    ends = [event.samples for _, event in each.of(ReplyAudioEnd) if event.reply == each.reply]
    starts = [mark.first_sample for mark in marks] + ends[:1]
    heard_characters = 0
    for place, mark in enumerate(marks):
        end = starts[place + 1] if place + 1 < len(starts) else mark.first_sample
        if end > mark.first_sample and 2 * each.played_samples >= mark.first_sample + end:
            heard_characters = mark.end_character
    return abs(len(text[:heard_characters].split()) - len(finished[0].heard.split()))


def _head_start_figures(asked: list[Observed], head_starts: tuple[int, int]) -> tuple[Figure, ...]:
    reports = [report for each in asked for _, report in each.of(TurnReport) if report.mic_to_speaker_ms is not None]
    gains = [gain for report in reports if (gain := _gain_ms(report)) is not None]
    used, wasted = head_starts
    return (
        Figure(
            "turns with a head start",
            _share(sum(report.head_start for report in reports), len(reports)),
            "%",
            len(reports),
        ),
        Figure("head starts used", _share(used, used + wasted), "%", used + wasted),
        Figure("head start gain p50", percentile(gains, 0.5), "ms", len(gains)),
    )


def _gain_ms(report: TurnReport) -> float | None:
    """What LLM and TTS had done before the turn was certain to be over: so much later the reply would have come."""
    slices = {each.name: each for each in reversed(report.waterfall)}
    asked, decided, spoken = slices.get("llm.chat"), slices.get("gateway.decide"), slices.get("tts.synthesize")
    if not report.head_start or asked is None or decided is None or spoken is None:
        return None
    return min(decided.start_ms, spoken.start_ms + spoken.duration_ms) - asked.start_ms


def _word_errors(asked: list[Observed]) -> Figure:
    pairs = [
        word_errors(each.scene.words, " ".join(event.text for _, event in each.of(UserUtterance))) for each in asked
    ]
    return Figure(
        "word error rate", _share(sum(wrong for wrong, _ in pairs), sum(words for _, words in pairs)), "%", len(pairs)
    )
