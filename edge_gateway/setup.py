"""How a session is set up: what it is configured to be, its way to the ASR server, and the first answer to its client.

Knows nothing of turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_gateway.error_events import error_event
from edge_gateway.input.recognition import Heard, Recognition, RecognitionEvent
from edge_gateway.input.uplink import Uplink
from edge_gateway.session_config import DEFAULT_INPUT, DEFAULT_OUTPUT, agree, check_voice, policy_of
from edge_gateway.turn_taking.echo import MicrophoneLevels
from parley import asr
from parley._flag import Flag
from parley.conversation import MAX_OPUS_BYTES, MAX_TEXT_BYTES, PacketTime, SessionConfig, SessionReady
from parley.errors import Unavailable, WrongState

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from edge_gateway.backends import Backends
    from edge_gateway.connection import ClientConnection
    from edge_gateway.turn_taking.events import TurnPolicy


class Setup:
    """What one session agreed on with its client."""

    def __init__(
        self,
        session_id: str,
        connection: ClientConnection,
        backends: Backends,
        tasks: asyncio.TaskGroup,
        emit: Callable[[RecognitionEvent], Awaitable[None]],
    ) -> None:
        """Wait for the configuration; `emit` takes what the ASR server says, from a task of `tasks`."""
        self._session_id = session_id
        self._connection = connection
        self._backends = backends
        self.levels = MicrophoneLevels()
        """How loud the microphone is while a reply plays."""
        self._emit = emit
        self._tasks: asyncio.TaskGroup = tasks
        self._recognition: Recognition | None = None
        self._uplink: Uplink | None = None
        self._given: dict[asr.Config, SessionConfig] = {}
        self.config: SessionConfig | None = None
        """What was agreed on; None: nothing yet."""
        self.task: asyncio.Task[None] | None = None
        """The task that listens; None, or done: nothing was to be heard yet."""
        self.ready = Flag()
        """Set once the client has had its first answer."""
        self._packet_time = PacketTime(20, 20)
        """What the client takes for the longest that its packets may last."""

    @property
    def is_configured(self) -> bool:
        """True when there is a way to the ASR server."""
        return self._recognition is not None

    def check(self) -> None:
        """See whether the client has configured the session.

        Raises:
            WrongState: it has not.
        """
        if self._recognition is None:
            raise _unconfigured()

    @property
    def recognition(self) -> Recognition:
        """The way to the ASR server.

        Raises:
            WrongState: the session is not configured.
        """
        if self._recognition is None:
            raise _unconfigured()
        return self._recognition

    def policy(self, language: str) -> TurnPolicy:
        """How the floor changes hands, in a session in which `language` is spoken."""
        return policy_of(self.config or SessionConfig(), language)

    async def configure(self, given: SessionConfig, traceparent: str) -> None:
        """Take a configuration, the first or another; `traceparent` is for the next turn's spans.

        Raises:
            InvalidInput: a value that is not taken; nothing is changed.
            WrongState: a change of what cannot change; nothing is changed.
        """
        config = agree(given, self.config)
        if config.voice:
            await self._check_voice(config.voice)
        self.config = config
        audio_in, audio_out = config.input or DEFAULT_INPUT, config.output or DEFAULT_OUTPUT
        self._connection.encoding, self._connection.reply_encoding = audio_in.encoding, audio_out.encoding
        listening = asr.Config(
            language=config.language,
            hints=config.hints,
            endpointing=config.endpointing or asr.Endpointing(),
            session_id=self._session_id,
            traceparent=traceparent,
        )
        self._given[listening] = config
        if self._recognition is not None:
            self._recognition.reconfigure(listening)
            return
        decoders = self._backends.codecs.decoder_factory(audio_in)
        self._uplink = Uplink(decoders, self.levels)
        self._recognition = Recognition(self._backends.asr, listening, self._uplink, self._emit, self._listen)
        ready = self._backends.asr.known(listening)
        if ready is None:
            self._listen()
        else:
            await self._emit(Heard(ready))

    async def _check_voice(self, name: str) -> None:
        """See whether a voice is there: by what is known of the TTS server, and where it is not among that, anew."""
        voices = (await self._backends.directory.engines()).tts
        if voices is None or all(voice.name != name for voice in voices.voices):
            voices = await self._backends.servers.tts.list_voices()
        check_voice(name, voices.voices)

    def _listen(self) -> None:
        if self._recognition is not None and (self.task is None or self.task.done()):
            self.task = self._tasks.create_task(self._recognition.run(), name="recognition")

    def refused(self, in_force: asr.Config | None) -> None:
        """The ASR server did not take the configuration: what held before holds again, or the next one begins anew."""
        if in_force is None:
            self._recognition, self._uplink, self.task, self.config = None, None, None, None
        else:
            self.config = self._given.get(in_force, self.config)

    async def begin(self, asr_ready: asr.Ready | None) -> str:
        """Give the client its first answer; without `asr_ready` the ASR server is away. Gives the greeting."""
        config = self.config or SessionConfig()
        engines = await self._backends.directory.engines()
        listens = f"{asr_ready.engine} {asr_ready.model}".strip() if asr_ready is not None else ""
        await self._connection.send(
            SessionReady(
                session_id=self._session_id,
                input=config.input or DEFAULT_INPUT,
                output=config.output or DEFAULT_OUTPUT,
                voice=config.voice,
                language=asr_ready.language if asr_ready is not None else config.language,
                lead_ms=self._backends.lead_ms,
                max_packet_bytes=MAX_OPUS_BYTES,
                max_text_bytes=MAX_TEXT_BYTES,
                engines=(listens, engines.writes, engines.speaks),
            )
        )
        if engines.problem:
            await self._connection.send(error_event(Unavailable(engines.problem), "llm"))
        self.ready.set()
        return config.greeting

    async def tell_packet_time(self) -> None:
        """Tell a client that wants to know it how long its packets may last, where that has changed."""
        if self._uplink is None or self.config is None or not (self.config.adaptive_ptime and self.ready.is_set()):
            return
        if (packet_time := self._uplink.packet_time) != self._packet_time:
            self._packet_time = packet_time
            await self._connection.send(packet_time)


def _unconfigured() -> WrongState:
    return WrongState("send configure first", field="configure")
