"""All states of the page, one after the other, in a real Chromium before a scripted gateway."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from parley.asr import Assistant
from parley.conversation import (
    AssistantActivity,
    ErrorCode,
    ErrorEvent,
    Event,
    FlushPlayback,
    Outcome,
    ReplyFinished,
    ReplyStarted,
    ReplyText,
    ReplyWord,
    TurnReport,
    UserPartial,
    UserSpeechStarted,
    UserUtterance,
    WaterfallSlice,
)
from tests.end_to_end.chromium import Visitor, status, visiting
from tests.end_to_end.scripted_gateway import REPLY_RATE_HZ, Listener, ScriptedGateway, scripted_gateway
from tests.end_to_end.test_page_audio import without_codecs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from playwright.async_api import Page

    Walk = Callable[[ScriptedGateway, Page], AsyncIterator[str]]

SIZES: Final = ((1280, 800), (390, 844), (844, 390), (640, 400), (320, 568))
"""A desktop, a phone, the same on its side, the desktop at 200 %, and the smallest phone; width and height."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours that somebody prefers."""

    name: str
    scheme: Literal["light", "dark"]
    forced: Literal["active", "none"]

    async def put_on(self, page: Page) -> None:
        """Show the page in these colours, at once."""
        await page.emulate_media(color_scheme=self.scheme, forced_colors=self.forced, reduced_motion="reduce")


THEMES: Final = (Theme("light", "light", "none"), Theme("dark", "dark", "none"), Theme("forced", "dark", "active"))

SLICES: Final = (
    "client.capture",
    "client.uplink",
    "gateway.decode",
    "asr.endpoint",
    "asr.transcribe",
    "gateway.decide",
    "llm.chat",
    "tts.synthesize",
    "gateway.encode",
    "client.downlink",
    "client.jitter_buffer",
    "client.playout",
)
"""Every slice that a turn can have."""
# What passes by itself stays until the walk lets it go.
_NOTHING_PASSES: Final = """(() => {
  const real = window.setTimeout, waiting = [];
  window.setTimeout = (then, ms, ...rest) => {
    if (ms <= 1000) return real(then, ms, ...rest);
    waiting.push(() => then(...rest));
    return 0;
  };
  window.letPass = () => waiting.splice(0).forEach(each => each());
})()"""
_ASKED: Final = "What is seven times eight, and how would you explain it to a child?"
_ANSWER: Final = "Seven times eight is fifty-six. Think of seven boxes with eight apples in each of them, and count."
_LONG_TURNS: Final = 12


def report(turn: int, slowest: str = "asr.endpoint") -> TurnReport:
    """A turn with every slice that there is; one of them is the slowest."""
    slices, at_ms = [], 0.0
    for name in SLICES:
        milliseconds = 320.5 if name == slowest else 23.4
        slices.append(WaterfallSlice(name, at_ms, milliseconds))
        at_ms += milliseconds
    return TurnReport(
        turn,
        _ASKED,
        _ANSWER,
        heard="Seven times eight is",
        mic_to_speaker_ms=at_ms,
        waterfall=tuple(slices),
        trace_id=f"{turn:032x}",
        outcome=Outcome.INTERRUPTED,
        clock_uncertainty_ms=1.0,
        reply=turn,
        head_start=False,
        explained=1.0,
    )


async def look_at_all(look: Callable[[str, Page], Awaitable[None]]) -> None:
    """Bring the page into each of its states; `look` is given its name and the page, which stays as it is meanwhile."""
    walks: tuple[tuple[Visitor, Walk], ...] = (
        (Visitor(), _spoken),
        (Visitor(allows=False), _typed),
        (Visitor(allows=False), _refused),
        (Visitor(has_microphone=False), _missing),
        (Visitor(), _second_tab),
    )
    for visitor, walk in walks:
        async with _opened(visitor) as (gateway, page):
            async for name in walk(gateway, page):
                await look(name, page)


@asynccontextmanager
async def in_state(wanted: str) -> AsyncIterator[Page]:
    """The page in one state of a conversation by voice."""
    async with _opened(Visitor()) as (gateway, page), aclosing(_spoken(gateway, page)) as walk:
        async for name in walk:
            if name == wanted:
                yield page
                return
    raise LookupError(wanted)


@asynccontextmanager
async def _opened(visitor: Visitor) -> AsyncIterator[tuple[ScriptedGateway, Page]]:
    async with scripted_gateway() as gateway, visiting(gateway.url, visitor) as page:
        await page.add_init_script(_NOTHING_PASSES)
        await page.route("**/web/worker/downlink.js", without_codecs)
        await page.reload(wait_until="networkidle")
        yield gateway, page


async def _spoken(gateway: ScriptedGateway, page: Page) -> AsyncGenerator[str]:
    """A conversation by voice, what can be opened after it, and how it ends."""
    yield "idle"
    await page.click("#talk")
    listener = await gateway.session()
    await status(page, "connecting")
    yield "connecting"
    await listener.ready()
    async for name in _one_turn(listener, page):
        yield name
    await page.evaluate("letPass()")
    await status(page, "listening")
    await _press(page, "#timing-toggle")
    yield "waterfall"
    await _press(page, "#timing-toggle")
    await _press(page, "#open-settings")
    yield "settings"
    await page.keyboard.press("Escape")
    async for name in _many_turns(listener, page):
        yield name
    await listener.socket.close()
    await status(page, "reconnecting")
    yield "gateway away"


async def _one_turn(listener: Listener, page: Page) -> AsyncIterator[str]:
    """A question, and an answer that is interrupted."""
    await status(page, "listening")
    yield "listening"
    await listener.send(UserSpeechStarted(1), UserPartial(1, _ASKED[:30], 18))
    await status(page, "hearing")
    yield "hearing"
    await listener.send(UserUtterance(1, _ASKED), AssistantActivity(Assistant.THINKING))
    await status(page, "thinking")
    yield "thinking"
    await listener.send(ReplyStarted(1, 1), ReplyText(1, _ANSWER), *_words(1), AssistantActivity(Assistant.SPEAKING))
    await listener.play(1, 2.0)
    await status(page, "speaking")
    await page.wait_for_selector(".now")
    yield "speaking"
    cut = ReplyFinished(1, Outcome.INTERRUPTED, "Seven times eight is", _ANSWER[20:])
    await listener.send(FlushPlayback(1), cut, report(1), AssistantActivity(Assistant.IDLE))
    await status(page, "interrupted")
    yield "interrupted"


async def _many_turns(listener: Listener, page: Page) -> AsyncIterator[str]:
    """A long transcript that is read back, while one server after the other is away."""
    for turn in range(2, 2 + _LONG_TURNS):
        await listener.send(*_turn(turn))
    await page.wait_for_function(f"document.querySelectorAll('.line.is-over').length > {_LONG_TURNS}")
    await page.evaluate("document.getElementById('scroll').scrollTop = 0")
    await page.wait_for_selector("#latest:not([hidden])")
    yield "long transcript"
    for hop in ("asr", "llm", "tts"):
        await listener.send(ErrorEvent(ErrorCode.UNAVAILABLE, f"the {hop} server is not there", hop=hop))
        await page.wait_for_selector("#notice:not([hidden])")
        yield f"{hop} away"
        await page.click("#dismiss")


async def _typed(gateway: ScriptedGateway, page: Page) -> AsyncIterator[str]:
    await page.fill("#text", _ASKED)
    await page.press("#text", "Enter")
    listener = await gateway.session()
    await listener.ready()
    over = ReplyFinished(1, Outcome.COMPLETED, _ANSWER, "")
    await listener.send(UserUtterance(1, _ASKED, typed=True), ReplyStarted(1, 1), ReplyText(1, _ANSWER), over)
    await page.wait_for_selector(".line.is-over")
    await status(page, "waiting")
    yield "typed"


async def _refused(_gateway: ScriptedGateway, page: Page) -> AsyncIterator[str]:
    await page.click("#talk")
    await status(page, "failed")
    yield "microphone refused"


async def _missing(_gateway: ScriptedGateway, page: Page) -> AsyncIterator[str]:
    await page.click("#talk")
    await status(page, "failed")
    yield "microphone missing"


async def _second_tab(gateway: ScriptedGateway, page: Page) -> AsyncIterator[str]:
    first = await page.context.new_page()
    await first.goto(gateway.url, wait_until="networkidle")
    await first.click("#talk")
    await (await gateway.session()).ready()
    await status(first, "listening")
    await page.bring_to_front()
    await page.click("#talk")
    await page.wait_for_selector("#elsewhere[open]")
    yield "second tab"


async def _press(page: Page, selector: str) -> None:
    """Press a button, also one that this size of the page does not show."""
    await page.eval_on_selector(selector, "button => button.click()")


def _turn(turn: int) -> tuple[Event, ...]:
    """A turn that was answered."""
    over = ReplyFinished(turn, Outcome.COMPLETED, _ANSWER, "")
    return (
        UserUtterance(turn, _ASKED),
        ReplyStarted(turn, turn),
        ReplyText(turn, _ANSWER),
        over,
        report(turn, SLICES[turn % len(SLICES)]),
    )


def _words(reply: int) -> list[ReplyWord]:
    """When the words of the answer sound: five a second."""
    places, at = [], 0
    for place, word in enumerate(_ANSWER.split()):
        places.append(ReplyWord(reply, at, at + len(word), place * REPLY_RATE_HZ // 5))
        at += len(word) + 1
    return places
