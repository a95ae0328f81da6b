"""Whatever a server, a client and a reply may do to the floor, in any order that they can: what must always hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_gateway.turn_taking.echo import MicrophoneLevels
from edge_gateway.turn_taking.events import (
    Answer,
    Drop,
    Duck,
    Hold,
    Ignore,
    Interrupt,
    Release,
    ReplyAudible,
    ReplyEnded,
    Restore,
    Resume,
    Tick,
    TurnLost,
    TurnPolicy,
)
from edge_gateway.turn_taking.floor import Floor, Free, Speaking, Speculating, Thinking
from parley import asr
from parley.conversation import CancelReply, Outcome, UserText
from tests.edge_gateway.turn_taking.hearing import (
    NOTHING,
    PACKET_SECONDS,
    REPLY,
    RESUMED,
    ROOM_DB,
    VOICE,
    eager,
    over,
    speech,
    stopped,
    words,
)

if TYPE_CHECKING:
    from edge_gateway.turn_taking.events import Action, Event

TEXTS = st.sampled_from(
    ["hello", "Hello.", "mhm", "stop", "what is the time", "times eight is fifty six", "is fifty six and stop"]
)
SAID = st.sampled_from([REPLY, "Say stop when you are tired.", ""])
VOICED = st.sampled_from([0.1, 0.35, 0.8])
LEVELS = st.sampled_from([ROOM_DB, -56.0, -38.0, -25.0])
# A decision comes after one wait, or after two, where the duck is a test first.
MOST_TICKS: Final = 2


class AnyOrder(RuleBasedStateMachine):
    """The floor, beside a simple picture of what its actions make of the replies."""

    def __init__(self) -> None:
        super().__init__()
        self.levels = MicrophoneLevels()
        self.floor = Floor(TurnPolicy(), self.levels)
        self.now = 0.0
        self.phase = "quiet"
        """Of the turn that the ASR server hears: quiet, voice, pause, speech, lull (in speech), eager."""
        self.turn = 1
        self.voice_met_reply = False
        """A reply could be heard at some time of this turn."""
        self.reply = ""
        """Nothing, speculative, open, held, audible."""
        self.ducked = False

    @initialize(greeting=st.booleans())
    def begin(self, greeting: bool) -> None:  # noqa: FBT001 - hypothesis calls it
        if greeting:
            self.floor.begin_unasked()
            self.reply = "open"

    # What actions make of a reply.

    def act(self, event: Event, said: str = "") -> tuple[Action, ...]:
        self.now += 0.01
        self.voice_met_reply = self.phase != "quiet" and (self.voice_met_reply or self.reply == "audible")
        overlapped = self.floor.overlap is not None
        actions = self.floor.on(event, self.now, said)
        for place, action in enumerate(actions):
            self.apply(action, actions[place + 1 :])
        if Ignore() in actions:
            assert isinstance(event, asr.EndOfTurn)
            assert overlapped, "ignored without an overlap that explains it"
            assert self.voice_met_reply, "ignored although no reply could be heard since the turn began"
        if not isinstance(event, asr.EndOfTurn | UserText | CancelReply):
            assert self.floor.policy.interruptible or not any(isinstance(each, Interrupt) for each in actions)
        return actions

    def apply(self, action: Action, following: tuple[Action, ...]) -> None:
        match action:
            case Answer():
                assert self.reply == "", "two replies at once"
                self.reply = "speculative" if action.speculative else "open"
            case Release():
                assert self.reply == "speculative"
                self.reply = "open"
            case Hold():
                assert self.reply == "open"
                self.reply = "held"
            case Resume():
                assert self.reply == "held"
                self.reply = "open"
            case Drop():
                assert self.reply in {"speculative", "open", "held"}, "dropped what was heard, or nothing"
                merged = action.outcome is Outcome.MERGED
                assert merged == any(isinstance(each, Answer) for each in following) or self.reply == "speculative"
                self.reply = ""
            case Interrupt():
                assert self.reply == "audible", "interrupted what could not be heard"
                self.reply, self.ducked = "", False
            case Duck() | Restore():
                assert self.reply == "audible"
                assert self.ducked is isinstance(action, Restore)
                self.ducked = isinstance(action, Duck)
            case Ignore():
                assert following == ()

    # What the ASR server says, in the order that its protocol promises.

    @precondition(lambda self: self.phase in {"quiet", "pause", "lull", "eager"})
    @rule()
    def voice(self) -> None:
        was, self.phase = self.phase, "voice" if self.phase in {"quiet", "pause"} else "speech"
        self.act(VOICE)
        if was == "eager":
            self.act(RESUMED)

    @precondition(lambda self: self.phase == "voice")
    @rule(voiced=VOICED)
    def speech(self, voiced: float) -> None:
        self.phase = "speech"
        self.act(speech(voiced))

    @precondition(lambda self: self.phase in {"voice", "speech", "lull"})
    @rule(text=TEXTS, voiced=VOICED, said=SAID)
    def words(self, text: str, voiced: float, said: str) -> None:
        self.act(words(text, voiced), said)

    @precondition(lambda self: self.phase in {"voice", "speech"})
    @rule(voiced=VOICED)
    def silence(self, voiced: float) -> None:
        self.phase = "pause" if self.phase == "voice" else "lull"
        self.act(stopped(voiced))

    @precondition(lambda self: self.phase in {"lull", "eager"})
    @rule(text=TEXTS)
    def probably_over(self, text: str) -> None:
        self.phase = "eager"
        self.act(eager(text, self.turn))

    @precondition(lambda self: self.phase in {"pause", "lull", "eager"})
    @rule(text=TEXTS, voiced=VOICED, said=SAID)
    def over(self, text: str, voiced: float, said: str) -> None:
        self.end(text, voiced, said, then="quiet")

    @precondition(lambda self: self.phase == "speech")
    @rule(text=TEXTS, said=SAID)
    def too_long(self, text: str, said: str) -> None:
        """The turn is split; what goes on is speech at once."""
        self.end(text, 1.0, said, then="speech")
        self.act(speech(0.1))

    def end(self, text: str, voiced: float, said: str, then: str) -> None:
        self.turn += 1
        actions = self.act(over(text, voiced), said)
        answers = [each for each in actions if isinstance(each, Answer | Release | Ignore)]
        assert len(answers) == 1, "a turn is answered or ignored, and that once"
        self.turn_is_over(then)

    @rule(event=st.sampled_from([NOTHING, TurnLost()]))
    def nothing(self, event: Event) -> None:
        """At any time: a client may have the turn ended, and a server may go away."""
        self.act(event)
        self.turn_is_over("quiet")

    def turn_is_over(self, then: str) -> None:
        assert self.floor.overlap is None, "a verdict outlives its overlap"
        assert not self.ducked
        assert self.reply != "held"
        self.phase, self.voice_met_reply = then, False

    # What a client does, and a reply.

    @rule(text=TEXTS)
    def typed(self, text: str) -> None:
        assert self.act(UserText(text))[-1] == Answer(text)

    @rule()
    def cancel(self) -> None:
        self.act(CancelReply())
        assert self.reply == ""

    @precondition(lambda self: self.reply in {"open", "held"})
    @rule()
    def reply_is_audible(self) -> None:
        self.reply = "audible"
        self.act(ReplyAudible())

    @precondition(lambda self: self.reply in {"open", "held", "audible"})
    @rule()
    def reply_ends(self) -> None:
        self.reply, self.ducked = "", False
        assert self.act(ReplyEnded()) == ()

    @rule(interruptible=st.booleans())
    def configure(self, interruptible: bool) -> None:  # noqa: FBT001 - hypothesis calls it
        self.floor.policy = TurnPolicy(interruptible=interruptible)

    # Time, and what the microphone hears meanwhile.

    @rule(level_db=LEVELS, seconds=st.sampled_from([0.1, 0.3, 0.5, 1.2, 4.0]))
    def time_passes(self, level_db: float, seconds: float) -> None:
        for _ in range(round(seconds / PACKET_SECONDS)):
            self.now += PACKET_SECONDS
            if self.reply == "audible":
                self.levels.hear(level_db)
            self.be_woken()

    def be_woken(self) -> None:
        for _ in range(MOST_TICKS):
            wake_at = self.floor.wake_at
            if wake_at is None or wake_at > self.now:
                return
            self.act(Tick())
        wake_at = self.floor.wake_at
        assert wake_at is None or wake_at > self.now, "woken again and again, and never decided"

    @rule()
    def woken_for_something_else(self) -> None:
        wake_at = self.floor.wake_at
        if wake_at is None or wake_at > self.now + 0.02:
            assert self.act(Tick()) == ()

    # What always holds.

    @invariant()
    def the_state_is_what_the_actions_made(self) -> None:
        match self.floor.state:
            case Free():
                assert self.reply == ""
            case Speculating():
                assert self.reply == "speculative"
            case Thinking(held):
                assert self.reply == ("held" if held else "open")
            case Speaking():
                assert self.reply == "audible"

    @invariant()
    def an_overlap_is_of_a_turn_that_met_a_reply(self) -> None:
        met = self.voice_met_reply or (self.phase != "quiet" and self.reply == "audible")
        assert met or self.floor.overlap is None

    @invariant()
    def a_ducked_reply_is_always_going_to_be_judged(self) -> None:
        overlap = self.floor.overlap
        assert self.ducked == (overlap is not None and overlap.ducked is not None)
        assert not self.ducked or self.floor.wake_at is not None


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
