"""What the ASR server is told beside the sound: at once what somebody waits for, and the rest with what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.input.answer_watch import AnswerWatch
from edge_gateway.input.stream_requests import StreamRequests
from edge_gateway.input.uplink import Uplink
from edge_gateway.turn_taking.echo import MicrophoneLevels
from parley import asr
from parley.audio import LISTENING_RATE_HZ
from parley.conversation import AudioFormat, Encoding

if TYPE_CHECKING:
    from collections.abc import Callable

FORM = AudioFormat(Encoding.PCM_S16LE, LISTENING_RATE_HZ)


class Stream:
    """A stream that takes everything."""

    has_room = True

    def __init__(self) -> None:
        self.on_room: Callable[[], None] | None = None
        self.at_once: list[asr.Request] = []
        self.later: list[asr.Request] = []

    def push(self, request: asr.Request) -> None:
        self.at_once.append(request)

    def push_later(self, request: asr.Request) -> None:
        self.later.append(request)


async def test_what_a_turn_s_end_brings_goes_with_the_sound_that_follows() -> None:
    uplink = Uplink(Codecs(Libopus(find_libopus())).decoder_factory(FORM), MicrophoneLevels())
    requests, stream = StreamRequests(asr.Config(), uplink), Stream()
    watch = AnswerWatch(lambda: True, asr.Endpointing(), 0)
    try:
        requests.of_stream(watch).attach(stream, lambda request: request)
        requests.begin(watch)
        requests.tell_assistant(asr.Assistant.THINKING)
        requests.begin_turn("trace", previous_ignored=False)
        assert stream.later == [asr.Assistant.THINKING, asr.TurnContext(1, "trace", previous_ignored=False)]
        requests.flush()
        assert stream.at_once == [asr.Flush()]
    finally:
        watch.close()
