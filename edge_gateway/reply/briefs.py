"""Says what a reply is to be: what the model is told, who speaks, how far ahead it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_gateway.reply.reply import Brief
from edge_gateway.session_config import DEFAULT_OUTPUT, spoken
from parley import llm, tts
from parley.conversation import AudioFormat, SessionConfig

if TYPE_CHECKING:
    from edge_gateway.backends import Backends
    from edge_gateway.reply.chat_history import ChatHistory
    from edge_gateway.reply.session_actions import SessionActions
    from edge_gateway.reply.tool_calls import CallRecord
    from edge_gateway.turn import Turn


class Briefs:
    """The briefs of one session's replies."""

    def __init__(self, session_id: str, backends: Backends, history: ChatHistory, actions: SessionActions) -> None:
        """Begin with the gateway's own defaults; `actions` know how it is spoken by now."""
        self.history = history
        """What the model is told."""
        self.language = ""
        """What replies are spoken in; empty: what the voice speaks."""
        self.config = SessionConfig()
        self._session_id = session_id
        self._backends = backends
        self._actions = actions
        self._count = 0

    @property
    def output(self) -> AudioFormat:
        """Form of the reply's audio."""
        return self.config.output or DEFAULT_OUTPUT

    def configure(self, config: SessionConfig) -> None:
        """Make the replies from now on as `config` says."""
        self.config = config
        self._actions.configure(config)
        self.language = spoken(config.language) or self.language
        self.history.instructions = config.instructions or self._backends.instructions

    def speak_as_heard(self, language: str) -> None:
        """Speak in the recogniser's language, where the session named none."""
        self.language = self.language or spoken(language)

    def answer(self, turn: Turn, more: str, carried: tuple[CallRecord, ...]) -> Brief:
        """A reply to what was said; `more` is what the user is probably saying, `carried` was called for it before."""
        chat = llm.Config(
            messages=self.history.messages(more),
            traceparent=turn.identity.traceparent,
            session_id=self._session_id,
            tools=self.config.tools,
            session=self._actions.state,
        )
        return self._brief(turn, chat, "", carried)

    def known(self, turn: Turn, text: str) -> Brief:
        """A text that is known already: a greeting, or a reminder."""
        return self._brief(turn, None, text, ())

    def _brief(self, turn: Turn, chat: llm.Config | None, text: str, carried: tuple[CallRecord, ...]) -> Brief:
        self._count += 1
        voice = tts.Config(
            voice=self.config.voice,
            language=self.language,
            sample_rate_hz=self.output.sample_rate_hz,
            speed=self._actions.speed,
            gain_db=self._actions.gain_db or None,
            lexicon=self.config.lexicon,
            traceparent=turn.identity.traceparent,
            session_id=self._session_id,
        )
        lead_seconds = self._backends.lead_ms / 1000
        return Brief(self._count, turn.number, chat, voice, text, lead_seconds, self._backends.filler, carried)
