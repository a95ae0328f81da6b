"""A program's conversation with a gateway, over a real stream, with a gateway that says what it is told to say."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc.aio
import pytest

from parley import (
    ErrorEvent,
    InvalidInput,
    Overloaded,
    ParleyError,
    ReplyFinished,
    ReplyText,
    SessionConfig,
    SessionReady,
    Unavailable,
    UserText,
    WrongState,
    connect,
)
from parley.conversation import (
    AudioFormat,
    AudioPacket,
    Conversation,
    ConversationClient,
    ErrorCode,
    Event,
    Outcome,
    Ping,
    Pong,
    Request,
    event_to_proto,
    request_from_proto,
)
from parley.errors import to_status
from parley.v1 import conversation_pb2, conversation_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

    Context = grpc.aio.ServicerContext[conversation_pb2.ConverseRequest, conversation_pb2.ConverseResponse]

READY = SessionReady("s-1", AudioFormat(), AudioFormat(), "espeak en", "en", 400, 1275, 65536)


class Gateway(conversation_pb2_grpc.ConversationServiceServicer):
    """Answers each kind of request with what it was told, and keeps what it was asked."""

    def __init__(self, answers: dict[type[Request], list[Event | ParleyError]]) -> None:
        self.answers = answers
        self.asked: list[Request] = []
        self.left = asyncio.Event()

    async def Converse(  # noqa: N802
        self, request_iterator: AsyncIterable[conversation_pb2.ConverseRequest], context: Context
    ) -> AsyncIterator[conversation_pb2.ConverseResponse]:
        try:
            async for message in request_iterator:
                request = request_from_proto(message)
                self.asked.append(request)
                for answer in self.answers.get(type(request), []):
                    if isinstance(answer, ParleyError):
                        code, text, trailing = to_status(answer)
                        await context.abort(code, text, trailing)
                    else:
                        yield event_to_proto(answer)
        finally:
            self.left.set()


@asynccontextmanager
async def gateway(answers: dict[type[Request], list[Event | ParleyError]]) -> AsyncIterator[tuple[Gateway, str]]:
    server = grpc.aio.server()
    servicer = Gateway(answers)
    conversation_pb2_grpc.add_ConversationServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with asyncio.timeout(10):
            yield servicer, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_a_program_connects_says_something_and_reads_the_answer() -> None:
    answers: dict[type[Request], list[Event | ParleyError]] = {
        SessionConfig: [READY],
        UserText: [ReplyText(1, "Fifty-"), ReplyText(1, "six."), ReplyFinished(1, Outcome.COMPLETED, "Fifty-six.", "")],
    }
    written = ""
    async with gateway(answers) as (served, address):
        async with connect(address, SessionConfig(voice="espeak en")) as conversation:
            assert conversation.ready == READY
            await conversation.send_text("What is seven times eight?")
            async for event in conversation:
                if isinstance(event, ReplyText):
                    written += event.text
                elif isinstance(event, ReplyFinished):
                    break
        await served.left.wait()
    assert written == "Fifty-six."
    assert served.asked == [SessionConfig(voice="espeak en"), UserText("What is seven times eight?")]


@pytest.mark.parametrize("form", ["{}", "http://{}", "http://{}/", "dns:///{}"])
async def test_an_address_may_be_a_url(form: str) -> None:
    async with gateway({SessionConfig: [READY]}) as (served, address), connect(form.format(address)):
        assert served.asked == [SessionConfig()]


@pytest.mark.parametrize("address", ["", "localhost", "https://localhost", "http://", "local host:1", "a:b"])
async def test_an_address_that_cannot_be_used_is_named(address: str) -> None:
    with pytest.raises(InvalidInput, match=address or "''") as caught:
        async with connect(address):
            pass
    assert caught.value.field == "address"


async def test_pings_are_answered_and_do_not_come_out() -> None:
    answers: dict[type[Request], list[Event | ParleyError]] = {
        SessionConfig: [Ping(7, 1), READY],
        UserText: [Ping(8, 2), ReplyText(1, "hello")],
    }
    async with gateway(answers) as (served, address), connect(address) as conversation:
        await conversation.send_text("hello")
        assert await anext(conversation) == ReplyText(1, "hello")
        while len(served.asked) < 4:
            await asyncio.sleep(0)
    pongs = [request for request in served.asked if isinstance(request, Pong)]
    assert [pong.id for pong in pongs] == [7, 8]
    assert all(1_700_000_000_000_000 < pong.received_unix_us <= pong.sent_unix_us for pong in pongs)


@pytest.mark.parametrize(
    "refusal",
    [
        InvalidInput("language 'xx': not one of en", field="configure.language"),
        Overloaded("500 sessions are held", retry_after_ms=1500),
    ],
)
async def test_a_refused_session_is_the_error_that_it_is(refusal: ParleyError) -> None:
    with pytest.raises(type(refusal), match=str(refusal)) as caught:
        async with gateway({SessionConfig: [refusal]}) as (_, address), connect(address):
            pass
    assert (caught.value.field, caught.value.retry_after_ms) == (refusal.field, refusal.retry_after_ms)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (ErrorEvent(ErrorCode.INVALID_INPUT, "no such voice", field="configure.voice"), InvalidInput),
        (ErrorEvent(ErrorCode.UNAVAILABLE, "the asr server is away", hop="asr", retryable=True), Unavailable),
    ],
)
async def test_an_error_before_the_session_is_ready_is_raised(event: ErrorEvent, kind: type[ParleyError]) -> None:
    with pytest.raises(kind, match=event.message) as caught:
        async with gateway({SessionConfig: [event]}) as (_, address), connect(address):
            pass
    assert (caught.value.field, caught.value.retryable) == (event.field, event.retryable)


async def test_an_error_is_an_event_and_one_that_ends_the_session_is_raised() -> None:
    passing = ErrorEvent(ErrorCode.DEADLINE, "the llm server takes too long", hop="llm", retryable=True)
    last = ErrorEvent(ErrorCode.SHUTTING_DOWN, "the gateway is stopping", ends_session=True)
    async with (
        gateway({SessionConfig: [READY], UserText: [passing, last]}) as (_, address),
        connect(address) as conversation,
    ):
        await conversation.send_text("hello")
        assert await anext(conversation) == passing
        with pytest.raises(Unavailable, match="is stopping"):
            await anext(conversation)


async def test_who_waits_for_an_event_may_be_cancelled_and_ask_again() -> None:
    async with (
        gateway({SessionConfig: [READY], UserText: [ReplyText(1, "hello")]}) as (_, address),
        connect(address) as conversation,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(conversation)
        await conversation.send_text("hello")
        assert await anext(conversation) == ReplyText(1, "hello")


async def test_to_send_to_a_session_that_is_over_is_an_error() -> None:
    async with (
        gateway({SessionConfig: [READY], UserText: [Unavailable("gone")]}) as (_, address),
        connect(address) as conversation,
    ):
        await conversation.send_text("hello")
        with pytest.raises(Unavailable, match="gone"):
            await anext(conversation)
        with pytest.raises(Unavailable, match="over"):
            while True:
                await conversation.send(AudioPacket(b"x"))


async def test_who_says_no_more_hears_the_answer_out() -> None:
    finished = ReplyFinished(1, Outcome.COMPLETED, "hello", "")
    async with (
        gateway({SessionConfig: [READY], UserText: [ReplyText(1, "hello"), finished]}) as (_, address),
        connect(address) as conversation,
    ):
        await conversation.send_text("hello")
        conversation.finish()
        assert [event async for event in conversation] == [ReplyText(1, "hello"), finished]
        with pytest.raises(Unavailable, match="over"):
            await conversation.send_text("more")


async def test_a_conversation_over_a_socket_cannot_be_closed_by_half() -> None:
    async def send(_: Request) -> None:
        raise NotImplementedError

    async def events() -> AsyncIterator[Event]:
        yield READY

    with pytest.raises(WrongState, match="one direction"):
        Conversation(send, events()).finish()


async def test_a_session_that_is_not_ready_says_so() -> None:
    async with gateway({}) as (_, address), ConversationClient(address) as client, client.open() as conversation:
        with pytest.raises(WrongState):
            _ = conversation.ready


async def test_nobody_at_the_address_is_an_error_that_names_the_gateway() -> None:
    with pytest.raises(Unavailable, match="gateway"):
        async with connect("127.0.0.1:1"):
            pass
