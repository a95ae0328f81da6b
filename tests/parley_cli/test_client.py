"""The reference client against a gateway that does what it is told, over the WebSocket and over gRPC."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import pytest

from parley.conversation import (
    PACKET_SECONDS,
    AudioFormat,
    AudioPacket,
    ClientMark,
    Conversation,
    Duck,
    Encoding,
    ErrorCode,
    ErrorEvent,
    Event,
    FlushPlayback,
    MarkKind,
    PacketTime,
    Ping,
    Played,
    Pong,
    ReplyAudioEnd,
    ReplyStarted,
    ReplyText,
    Request,
    SessionConfig,
    SessionReady,
    UserText,
)
from parley.errors import InvalidInput, Unavailable, WrongState
from parley_cli.client import (
    PACKET_BYTES,
    PACKET_SAMPLES,
    EventLog,
    Listener,
    Outgoing,
    PacketEncoder,
    converse,
    encoded,
    open_http,
    open_websocket,
    packet_of,
)
from tests.parley_cli.gateways import over_grpc, over_websocket, page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.parley_cli.gateways import Script, Send

    Transport = Callable[[Script], AbstractAsyncContextManager[Conversation]]

T = TypeVar("T")
READY = SessionReady(
    "s", AudioFormat(Encoding.OPUS, 48_000), AudioFormat(Encoding.OPUS, 24_000), "v", "en", 400, 1275, 65536
)
TRANSPORTS = pytest.mark.parametrize("transport", [over_websocket, over_grpc])
TONE = bytes(range(256)) * (PACKET_BYTES // 256) + bytes(PACKET_BYTES % 256)


class Told:
    """A gateway that is ready at once, keeps what it is told, and says what a test gives it."""

    def __init__(self, *first: Event) -> None:
        self.first = first or (READY,)
        self.requests: list[Request] = []
        self.changed = asyncio.Event()
        self.opened = asyncio.Event()
        self.send: Send

    async def __call__(self, requests: AsyncIterator[Request], send: Send) -> None:
        self.send = send
        async for request in requests:
            self.requests.append(request)
            self.changed.set()
            if isinstance(request, SessionConfig):
                for event in self.first:
                    await send(event)
                self.opened.set()

    async def until(self, true: Callable[[list[Request]], bool]) -> None:
        async with asyncio.timeout(5):
            while not true(self.requests):
                self.changed.clear()
                await self.changed.wait()

    def of(self, kind: type[T]) -> list[T]:
        return [request for request in self.requests if isinstance(request, kind)]


def sound(number: int) -> bytes:
    """Three packets of a tone, then silence."""
    return packet_of(3 * TONE, number)


def reply(number: int, packets: int) -> list[Event]:
    """A whole reply of so many packets."""
    encoder = PacketEncoder()
    sounds = [AudioPacket(encoder.encode(TONE), n, reply=number, first_sample=480 * n) for n in range(packets)]
    return [ReplyStarted(number, 1), *sounds, ReplyAudioEnd(number, 480 * packets)]


@TRANSPORTS
async def test_a_listener_sends_packets_at_the_pace_of_time_with_their_capture_times(transport: Transport) -> None:
    gateway = Told()
    async with transport(gateway) as conversation:
        listener = Listener(conversation, encoded(sound), EventLog())
        assert await listener.open() == READY
        began = listener.now()
        await listener.during(lambda: gateway.until(lambda requests: len(requests) > 8))
        ended, sent = listener.now(), listener.packets
    packets = gateway.of(AudioPacket)
    assert gateway.requests[0] == SessionConfig(reports_playback=True, adaptive_ptime=True)
    assert [packet.sequence for packet in packets] == list(range(len(packets)))
    assert {later.captured_unix_us - earlier.captured_unix_us for earlier, later in pairwise(packets)} == {20_000}
    assert began * 1e6 <= packets[0].captured_unix_us <= began * 1e6 + 20_000
    assert listener.captured_at(PACKET_SAMPLES) == pytest.approx(packets[1].captured_unix_us / 1e6)
    # None before its last sample had been captured.
    assert sent * 0.02 <= ended - began + 0.001


async def test_packets_that_are_late_are_sent_at_once() -> None:
    gateway = Told()
    asked: list[float] = []
    async with over_websocket(gateway) as conversation:

        def hangs_once(number: int) -> tuple[Outgoing]:
            asked.append(conversation.now())
            while not number and conversation.now() < asked[0] + 15 * PACKET_SECONDS:
                pass
            return (Outgoing(number, b"x"),)

        await Listener(conversation, hangs_once, EventLog()).during(
            lambda: gateway.until(lambda _: len(gateway.of(AudioPacket)) >= 15)
        )
    # Fourteen packets would take as many times 20 ms, if each waited for its turn.
    assert asked[14] - asked[1] < 10 * PACKET_SECONDS


@TRANSPORTS
async def test_what_a_microphone_leaves_out_is_told_with_the_next_packet(transport: Transport) -> None:
    gateway = Told()

    def sends_every_third(number: int) -> tuple[Outgoing, ...]:
        return () if number % 3 < 2 else (Outgoing(number, b"x", 2),)

    async with transport(gateway) as conversation:
        listener = Listener(conversation, sends_every_third, EventLog())
        await listener.during(lambda: gateway.until(lambda _: len(gateway.of(AudioPacket)) > 2))
    packets = gateway.of(AudioPacket)[:3]
    assert [(packet.sequence, packet.left_out) for packet in packets] == [(2, 2), (5, 2), (8, 2)]
    assert {later.captured_unix_us - earlier.captured_unix_us for earlier, later in pairwise(packets)} == {60_000}


@TRANSPORTS
async def test_packets_are_put_together_as_the_gateway_says(transport: Transport) -> None:
    gateway = Told(READY, PacketTime(80, 40))

    def silent_at_first(number: int) -> tuple[Outgoing]:
        return (Outgoing(number, b"\x08x", silent=number < 4),)

    async with transport(gateway) as conversation:
        listener = Listener(conversation, silent_at_first, EventLog())
        await listener.during(lambda: gateway.until(lambda _: len(gateway.of(AudioPacket)) > 3))
    packets = gateway.of(AudioPacket)[:4]
    # The event may come after the first packet.
    assert [(packet.sequence, packet.packets) for packet in packets][-2:] in ([(4, 4), (8, 4)], [(5, 4), (9, 4)])
    assert packets[-1].data == b"\x0b\x84\1\1\1xxxx"
    assert packets[-1].captured_unix_us - packets[-2].captured_unix_us == 80_000


async def test_an_older_gateway_is_asked_for_no_more_than_it_knows() -> None:
    class Older(Told):
        async def __call__(self, requests: AsyncIterator[Request], send: Send) -> None:
            request = await anext(requests)
            assert isinstance(request, SessionConfig)
            assert request.adaptive_ptime
            unknown = 'a text frame that is no request: no field named "adaptive_ptime" at "ConverseRequest.configure"'
            await send(ErrorEvent(ErrorCode.INVALID_INPUT, unknown, field="request"))
            await super().__call__(requests, send)

    gateway, log = Older(), EventLog()
    async with over_websocket(gateway) as conversation:
        assert await Listener(conversation, encoded(sound), log).open() == READY
    assert gateway.requests == [SessionConfig(reports_playback=True)]
    assert log.of(ErrorEvent) == []


@TRANSPORTS
async def test_what_is_played_is_reported_with_its_marks_first_and_its_end_last(transport: Transport) -> None:
    gateway = Told()
    log = EventLog()

    async def scene() -> None:
        for event in reply(1, 8):
            await gateway.send(event)
        await gateway.until(lambda _: any(report.final for report in gateway.of(Played)))

    async with transport(gateway) as conversation:
        listener = Listener(conversation, encoded(sound), log)
        await listener.during(scene)
        # The codec's delay apart, all of it has sounded.
        heard = len(listener.loudspeaker.recording.strip(b"\0")) // 2
    marks = gateway.of(ClientMark)
    assert [mark.kind for mark in marks] == [MarkKind.FIRST_PACKET, MarkKind.FIRST_RENDERED, MarkKind.FIRST_AUDIBLE]
    assert {mark.reply for mark in marks} == {1}
    assert marks[0].unix_us <= marks[1].unix_us == marks[2].unix_us
    reports = gateway.of(Played)
    samples = [report.samples for report in reports]
    assert samples == sorted(samples)
    assert (reports[-1].reply, reports[-1].samples, reports[-1].final) == (1, 8 * 480, True)
    assert [report.final for report in reports].count(True) == 1
    talk = [request for request in gateway.requests if isinstance(request, ClientMark | Played)]
    assert talk.index(marks[-1]) < talk.index(reports[-1])
    assert 7 * 480 < heard <= 8 * 480
    assert log.of(AudioPacket) == []
    assert len(log.of(ReplyStarted)) == 1


@pytest.mark.parametrize("records", [True, False])
async def test_a_reply_that_is_flushed_is_reported_at_once(records: bool) -> None:  # noqa: FBT001 - a case
    gateway = Told()

    async def scene() -> None:
        for event in reply(1, 40)[:-1]:
            await gateway.send(event)
        await gateway.until(lambda _: any(report.samples for report in gateway.of(Played)))
        await gateway.send(Duck(1, -18.0))
        await gateway.send(FlushPlayback(1))
        await gateway.send(Ping(1, 0))
        await gateway.until(lambda _: bool(gateway.of(Pong)))

    async with over_websocket(gateway) as conversation:
        await Listener(conversation, encoded(sound), EventLog(), records=records).during(scene)
    talk = [request for request in gateway.requests if isinstance(request, Played | Pong)]
    report = talk[[isinstance(request, Pong) for request in talk].index(True) - 1]
    assert isinstance(report, Played)
    assert report.final
    assert 0 < report.samples < 40 * 480


async def test_packets_of_pcm_are_sent_and_played_as_the_session_says() -> None:
    pcm = AudioFormat(Encoding.PCM_S16LE, 16_000)
    gateway = Told(SessionReady("s", pcm, pcm, "v", "en", 400, 1275, 65536))

    async def scene() -> None:
        await gateway.send(ReplyStarted(1, 1))
        await gateway.send(AudioPacket(b"\1\0" * 3200, reply=1))
        await gateway.send(ReplyAudioEnd(1, 3200))
        await gateway.until(lambda _: any(report.final for report in gateway.of(Played)))

    async with over_websocket(gateway) as conversation:
        config = SessionConfig(reports_playback=True, input=pcm, output=pcm)
        listener = Listener(
            conversation, lambda number: (Outgoing(number, bytes([number % 256]) * 640),), EventLog(), config
        )
        await listener.during(scene)
        assert listener.loudspeaker.recording.count(b"\1\0") == 3200
    assert [packet.data[0] for packet in gateway.of(AudioPacket)[:3]] == [0, 1, 2]
    assert gateway.of(Played)[-1].samples == 3200


@TRANSPORTS
async def test_pings_are_answered_while_it_listens(transport: Transport) -> None:
    gateway = Told(Ping(1, 5), READY, Ping(2, 6))
    async with transport(gateway) as conversation:
        log = EventLog()
        await Listener(conversation, encoded(sound), log).during(
            lambda: gateway.until(lambda _: len(gateway.of(Pong)) == 2)
        )
    assert [pong.id for pong in gateway.of(Pong)] == [1, 2]
    assert log.of(Ping) == []


@TRANSPORTS
async def test_a_refused_session_is_raised_and_one_that_waits_is_waited_for(transport: Transport) -> None:
    away = ErrorEvent(ErrorCode.UNAVAILABLE, "the asr server is away", hop="asr", retryable=True)
    wrong = ErrorEvent(ErrorCode.INVALID_INPUT, "no such voice", field="configure.voice")
    log = EventLog()
    async with transport(Told(away, READY)) as conversation:
        assert await Listener(conversation, encoded(sound), log).open() == READY
    assert log.of(ErrorEvent) == [away]
    async with transport(Told(away, wrong)) as conversation:
        listener = Listener(conversation, encoded(sound), EventLog())
        with pytest.raises(InvalidInput, match="no such voice"):
            await listener.open()
        with pytest.raises(WrongState):
            _ = listener.loudspeaker


@TRANSPORTS
async def test_a_scene_gives_what_it_returns_and_raises_what_it_raises(transport: Transport) -> None:
    async def seven() -> int:
        return 7

    async def fails() -> None:
        raise ZeroDivisionError

    async with transport(Told()) as conversation:
        assert await Listener(conversation, encoded(sound), EventLog()).during(seven) == 7
    async with transport(Told()) as conversation:
        with pytest.raises(ZeroDivisionError):
            await Listener(conversation, encoded(sound), EventLog()).during(fails)


@TRANSPORTS
async def test_a_session_that_the_gateway_ends_ends_the_scene_with_the_reason(transport: Transport) -> None:
    gateway = Told()

    async def scene() -> None:
        await gateway.send(ErrorEvent(ErrorCode.SHUTTING_DOWN, "the gateway is stopping", ends_session=True))
        await asyncio.Event().wait()

    async with asyncio.timeout(5), transport(gateway) as conversation:
        with pytest.raises(Unavailable, match="is stopping"):
            await Listener(conversation, encoded(sound), EventLog()).during(scene)


async def test_a_socket_that_closes_is_an_error_with_its_code() -> None:
    async def leave(requests: AsyncIterator[Request], _send: Send) -> None:
        await anext(requests)

    async with over_websocket(leave) as conversation:
        await conversation.send(SessionConfig())
        with pytest.raises(Unavailable, match="1000"):
            await anext(conversation)
        with pytest.raises(Unavailable, match="closed"):
            await conversation.send_text("hello")


async def test_what_a_newer_gateway_says_is_left_out() -> None:
    async def handle(requests: AsyncIterator[Request], send: Send) -> None:
        async for _ in requests:
            await send('{"of_tomorrow": {}}')
            await send(ReplyText(1, "hello"))

    async with page(handle) as url, open_websocket(url) as socket:
        await socket.socket.send_str('{"user_text": {"text": "hello"}}')
        assert await anext(socket) == ReplyText(1, "hello")
        assert isinstance(socket.socket, aiohttp.ClientWebSocketResponse)


async def test_many_conversations_share_one_client() -> None:
    async with page(Told()) as url, open_http() as http, converse(url, http) as one, converse(url, http) as other:
        assert (await one.configure(SessionConfig()), await other.configure(SessionConfig())) == (READY, READY)


async def test_without_a_gateway_the_remedy_is_named() -> None:
    with pytest.raises(Unavailable, match="make run"):
        async with converse("http://127.0.0.1:9"):
            pass


async def test_a_log_is_waited_on_for_what_has_come_and_for_what_will() -> None:
    log = EventLog()
    log(1.0, ReplyStarted(1, 1))
    assert await log.first(ReplyStarted) == ReplyStarted(1, 1)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(log.first(ReplyText))
        await asyncio.sleep(0)
        log(2.0, AudioPacket(b"x"))
        log(3.0, ReplyText(1, "hello"))
        assert await waiting == ReplyText(1, "hello")
    assert log.events == [(1.0, ReplyStarted(1, 1)), (3.0, ReplyText(1, "hello"))]
    assert log.of(UserText) == []
