"""The reference client: a listener with a microphone and a loudspeaker, as the gateway meets one.

`parley talk`, `bench` and `eval` and the tests speak through it:

    async with converse("http://localhost:8080") as conversation:
        log = EventLog()
        listener = Listener(conversation, encoded(sound), log)
        await listener.during(scene)

`converse` opens the WebSocket; `parley.ConversationClient.open` gives the same `Conversation` over gRPC. It sends
requests, iterates over events, and answers pings. A `Listener` opens the session, sends what its microphone gives at
the pace of time, plays what comes with a `Loudspeaker`, and reports what was played. An observer is told every event:
an `EventLog` keeps them, and others can wait for one. A `Talker` is a listener who speaks a recording and hears the
answers out.

Knows nothing of files, nor of what is measured.
"""

from __future__ import annotations

from parley_cli.client.event_log import EventLog
from parley_cli.client.listener import Listener
from parley_cli.client.loudspeaker import PREBUFFER_SECONDS, Loudspeaker
from parley_cli.client.microphone import (
    PACKET_BYTES,
    Captured,
    WithoutSilence,
    capture,
    encoded,
    every_packet,
    packet_of,
)
from parley_cli.client.opus import MIC_RATE_HZ, PACKET_SAMPLES, PacketDecoder, PacketEncoder
from parley_cli.client.repacketizer import Outgoing, Repacketizer, join_opus
from parley_cli.client.talker import Talker
from parley_cli.client.websocket import WebSocket, converse, open_http, open_websocket

__all__ = [
    "MIC_RATE_HZ",
    "PACKET_BYTES",
    "PACKET_SAMPLES",
    "PREBUFFER_SECONDS",
    "Captured",
    "EventLog",
    "Listener",
    "Loudspeaker",
    "Outgoing",
    "PacketDecoder",
    "PacketEncoder",
    "Repacketizer",
    "Talker",
    "WebSocket",
    "WithoutSilence",
    "capture",
    "converse",
    "encoded",
    "every_packet",
    "join_opus",
    "open_http",
    "open_websocket",
    "packet_of",
]
