"""JSON text frames of conversations, generated from protos/parley/v1 by protos/json_code.py. Never edit.

Each `write_` function takes anything whose attributes have the names and types of the message's fields, enums as
members with the wire's numbers, and gives the message as `MessageToJson` does with `preserving_proto_field_name` and
`always_print_fields_with_no_presence`, except that the fields stand in the order of their numbers. Each `read_`
function takes the text of one whole request and gives its fields in that order; None: this is not the plain form of
one, and `Parse` may understand it or say what is wrong with it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from ctypes import c_float
from json.encoder import encode_basestring_ascii as _text
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _bytes(value: bytes) -> str:
    return f'"{b64encode(value).decode()}"'


def _float(value: float) -> str:
    # The fewest digits, six or more, that give the same number of 32 bits.
    single = c_float(value).value
    if not isfinite(single):
        return '"NaN"' if single != single else '"Infinity"' if single > 0 else '"-Infinity"'
    short = float("%.6g" % single)
    for form in ("%.7g", "%.8g", "%.9g"):
        if c_float(short).value == single:
            break
        short = float(form % single)
    return repr(short)


_AUDIO_ENCODING: Final = {0: '"AUDIO_ENCODING_UNSPECIFIED"', 1: '"AUDIO_ENCODING_PCM_S16LE"', 2: '"AUDIO_ENCODING_OPUS"'}

_DISCARD_REASON: Final = {0: '"DISCARD_REASON_UNSPECIFIED"', 1: '"DISCARD_REASON_TOO_SHORT"', 2: '"DISCARD_REASON_NO_WORDS"', 3: '"DISCARD_REASON_NOISE"', 4: '"DISCARD_REASON_ENGINE_FAILED"'}

_REPLY_OUTCOME: Final = {0: '"REPLY_OUTCOME_UNSPECIFIED"', 1: '"REPLY_OUTCOME_COMPLETED"', 2: '"REPLY_OUTCOME_INTERRUPTED"', 3: '"REPLY_OUTCOME_FAILED"', 4: '"REPLY_OUTCOME_CANCELLED"', 5: '"REPLY_OUTCOME_MERGED"', 6: '"REPLY_OUTCOME_LISTENER_LEFT"'}

_ERROR_CODE: Final = {0: '"ERROR_CODE_UNSPECIFIED"', 1: '"ERROR_CODE_INVALID_INPUT"', 2: '"ERROR_CODE_WRONG_STATE"', 3: '"ERROR_CODE_TOO_LARGE"', 4: '"ERROR_CODE_UNAVAILABLE"', 5: '"ERROR_CODE_DEADLINE"', 6: '"ERROR_CODE_OVERLOADED"', 7: '"ERROR_CODE_INTERNAL"', 8: '"ERROR_CODE_NOT_FOUND"', 9: '"ERROR_CODE_AUDIO_LOST"', 10: '"ERROR_CODE_SHUTTING_DOWN"'}

_ASSISTANT_STATE: Final = {0: '"ASSISTANT_STATE_UNSPECIFIED"', 1: '"ASSISTANT_STATE_IDLE"', 2: '"ASSISTANT_STATE_THINKING"', 3: '"ASSISTANT_STATE_SPEAKING"'}

_PROGRESS_KIND: Final = {0: '"PROGRESS_KIND_UNSPECIFIED"', 1: '"PROGRESS_KIND_QUEUED"', 2: '"PROGRESS_KIND_WAITING"', 3: '"PROGRESS_KIND_REASONING"'}

_SPEECH_SETTING: Final = {0: '"SPEECH_SETTING_UNSPECIFIED"', 1: '"SPEECH_SETTING_SPEED"', 2: '"SPEECH_SETTING_GAIN_DB"'}

_REMINDER_STATE: Final = {0: '"REMINDER_STATE_UNSPECIFIED"', 1: '"REMINDER_STATE_SET"', 2: '"REMINDER_STATE_DUE"', 3: '"REMINDER_STATE_CANCELLED"'}

_CLIENT_MARK_KIND: Final = {"": 0, "CLIENT_MARK_KIND_UNSPECIFIED": 0, "CLIENT_MARK_KIND_FIRST_PACKET": 1, "CLIENT_MARK_KIND_FIRST_RENDERED": 2, "CLIENT_MARK_KIND_FIRST_AUDIBLE": 3, "CLIENT_MARK_KIND_DUCKED": 4, "CLIENT_MARK_KIND_SILENT": 5}


def write_audio_format(value: Any) -> str:
    return f'{{"encoding": {_AUDIO_ENCODING[value.encoding.value]}, "sample_rate_hz": {value.sample_rate_hz}}}'


def write_session_ready(value: Any) -> str:
    input = '' if value.input is None else f', "input": {write_audio_format(value.input)}'
    output = '' if value.output is None else f', "output": {write_audio_format(value.output)}'
    engines = ', '.join([f'{_text(each)}' for each in value.engines])
    return f'{{"session_id": {_text(value.session_id)}{input}{output}, "voice": {_text(value.voice)}, "language": {_text(value.language)}, "lead_ms": {value.lead_ms}, "max_packet_bytes": {value.max_packet_bytes}, "max_text_bytes": {value.max_text_bytes}, "resume_token": {_text(value.resume_token)}, "engines": [{engines}]}}'


def write_audio_packet(value: Any) -> str:
    return f'{{"data": {_bytes(value.data)}, "sequence": {value.sequence}, "captured_unix_us": "{value.captured_unix_us}", "reply": {value.reply}, "first_sample": "{value.first_sample}", "left_out": {value.left_out}, "packets": {value.packets}}}'


def write_user_speech_started(value: Any) -> str:
    return f'{{"turn": {value.turn}}}'


def write_user_partial(value: Any) -> str:
    return f'{{"turn": {value.turn}, "text": {_text(value.text)}, "stable_characters": {value.stable_characters}}}'


def write_user_utterance(value: Any) -> str:
    return f'{{"turn": {value.turn}, "text": {_text(value.text)}, "typed": {_bool(value.typed)}}}'


def write_user_discarded(value: Any) -> str:
    return f'{{"turn": {value.turn}, "reason": {_DISCARD_REASON[value.reason.value]}}}'


def write_reply_started(value: Any) -> str:
    return f'{{"reply": {value.reply}, "turn": {value.turn}}}'


def write_reply_text(value: Any) -> str:
    return f'{{"reply": {value.reply}, "text": {_text(value.text)}}}'


def write_reply_word(value: Any) -> str:
    return f'{{"reply": {value.reply}, "first_character": {value.first_character}, "end_character": {value.end_character}, "first_sample": {value.first_sample}}}'


def write_reply_audio_end(value: Any) -> str:
    return f'{{"reply": {value.reply}, "samples": {value.samples}}}'


def write_duck(value: Any) -> str:
    decided_sample = '' if value.decided_sample is None else f', "decided_sample": "{value.decided_sample}"'
    return f'{{"reply": {value.reply}, "gain_db": {_float(value.gain_db)}{decided_sample}}}'


def write_flush_playback(value: Any) -> str:
    return f'{{"reply": {value.reply}}}'


def write_reply_finished(value: Any) -> str:
    return f'{{"reply": {value.reply}, "outcome": {_REPLY_OUTCOME[value.outcome.value]}, "heard": {_text(value.heard)}, "unheard": {_text(value.unheard)}}}'


def write_waterfall_slice(value: Any) -> str:
    return f'{{"name": {_text(value.name)}, "start_ms": {_float(value.start_ms)}, "duration_ms": {_float(value.duration_ms)}}}'


def write_turn_report(value: Any) -> str:
    mic_to_speaker_ms = '' if value.mic_to_speaker_ms is None else f', "mic_to_speaker_ms": {_float(value.mic_to_speaker_ms)}'
    waterfall = ', '.join([f'{write_waterfall_slice(each)}' for each in value.waterfall])
    decided_sample = '' if value.decided_sample is None else f', "decided_sample": "{value.decided_sample}"'
    return f'{{"turn": {value.turn}, "transcript": {_text(value.transcript)}, "reply_text": {_text(value.reply_text)}, "heard": {_text(value.heard)}{mic_to_speaker_ms}, "waterfall": [{waterfall}], "trace_id": {_text(value.trace_id)}, "outcome": {_REPLY_OUTCOME[value.outcome.value]}, "clock_uncertainty_ms": {_float(value.clock_uncertainty_ms)}, "reply": {value.reply}, "head_start": {_bool(value.head_start)}, "explained": {_float(value.explained)}, "waited_ms": {_float(value.waited_ms)}, "beyond_need_ms": {_float(value.beyond_need_ms)}, "too_early": {_bool(value.too_early)}, "model": {_text(value.model)}{decided_sample}}}'


def write_error_event(value: Any) -> str:
    return f'{{"code": {_ERROR_CODE[value.code.value]}, "message": {_text(value.message)}, "field": {_text(value.field)}, "hop": {_text(value.hop)}, "retryable": {_bool(value.retryable)}, "retry_after_ms": {value.retry_after_ms}, "ends_session": {_bool(value.ends_session)}, "turn": {value.turn}}}'


def write_ping(value: Any) -> str:
    return f'{{"id": {value.id}, "sent_unix_us": "{value.sent_unix_us}"}}'


def write_tool_call(value: Any) -> str:
    return f'{{"id": {_text(value.id)}, "name": {_text(value.name)}, "arguments_json": {_text(value.arguments_json)}}}'


def write_tool_request(value: Any) -> str:
    call = '' if value.call is None else f', "call": {write_tool_call(value.call)}'
    return f'{{"reply": {value.reply}{call}}}'


def write_assistant_activity(value: Any) -> str:
    return f'{{"state": {_ASSISTANT_STATE[value.state.value]}}}'


def write_turn_times(value: Any) -> str:
    waterfall = ', '.join([f'{write_waterfall_slice(each)}' for each in value.waterfall])
    return f'{{"turn": {value.turn}, "reply": {value.reply}, "transcript": {_text(value.transcript)}, "mic_to_speaker_ms": {_float(value.mic_to_speaker_ms)}, "waterfall": [{waterfall}], "trace_id": {_text(value.trace_id)}, "clock_uncertainty_ms": {_float(value.clock_uncertainty_ms)}, "head_start": {_bool(value.head_start)}, "explained": {_float(value.explained)}}}'


def write_reply_delayed(value: Any) -> str:
    return f'{{"turn": {value.turn}, "hop": {_text(value.hop)}, "model": {_text(value.model)}, "kind": {_PROGRESS_KIND[value.kind.value]}, "waited_ms": {value.waited_ms}}}'


def write_recovered(value: Any) -> str:
    return f'{{"hop": {_text(value.hop)}, "engine": {_text(value.engine)}}}'


def write_tool_use(value: Any) -> str:
    return f'{{"name": {_text(value.name)}, "arguments_json": {_text(value.arguments_json)}, "content": {_text(value.content)}, "failed": {_bool(value.failed)}}}'


def write_tool_used(value: Any) -> str:
    use = '' if value.use is None else f', "use": {write_tool_use(value.use)}'
    return f'{{"reply": {value.reply}{use}}}'


def write_speech_changed(value: Any) -> str:
    return f'{{"turn": {value.turn}, "reply": {value.reply}, "setting": {_SPEECH_SETTING[value.setting.value]}, "before": {_float(value.before)}, "now": {_float(value.now)}}}'


def write_reminder_changed(value: Any) -> str:
    return f'{{"id": {_text(value.id)}, "state": {_REMINDER_STATE[value.state.value]}, "label": {_text(value.label)}, "due_unix_ms": "{value.due_unix_ms}", "due_in_ms": {value.due_in_ms}, "turn": {value.turn}, "reply": {value.reply}}}'


def write_packet_time(value: Any) -> str:
    return f'{{"sound_ms": {value.sound_ms}, "silence_ms": {value.silence_ms}}}'


WRITERS: Final[dict[str, Callable[[Any], str]]] = {
    "ready": write_session_ready,
    "audio": write_audio_packet,
    "user_speech_started": write_user_speech_started,
    "user_partial": write_user_partial,
    "user_utterance": write_user_utterance,
    "user_discarded": write_user_discarded,
    "reply_started": write_reply_started,
    "reply_text": write_reply_text,
    "reply_word": write_reply_word,
    "reply_audio_end": write_reply_audio_end,
    "duck": write_duck,
    "flush_playback": write_flush_playback,
    "reply_finished": write_reply_finished,
    "turn_report": write_turn_report,
    "error": write_error_event,
    "ping": write_ping,
    "tool_request": write_tool_request,
    "assistant": write_assistant_activity,
    "turn_times": write_turn_times,
    "reply_delayed": write_reply_delayed,
    "recovered": write_recovered,
    "tool_used": write_tool_used,
    "speech_changed": write_speech_changed,
    "reminder_changed": write_reminder_changed,
    "packet_time": write_packet_time,
}
"""By the name of the event."""


_PLAYED: Final = re.compile(
    r'\{"played": ?\{(?:"reply": ?(0|[1-9][0-9]{0,8})(?:, ?(?=")|(?=\})))?(?:"samples": ?(0|[1-9][0-9]{0,8})(?:, ?(?=")|(?=\})))?(?:"unix_us": ?"(0|[1-9][0-9]{0,17})"(?:, ?(?=")|(?=\})))?(?:"underruns": ?(0|[1-9][0-9]{0,8})(?:, ?(?=")|(?=\})))?(?:"final": ?(true|false)(?:, ?(?=")|(?=\})))?\}\}'
).fullmatch


def read_played(text: str) -> tuple[int, int, int, int, bool] | None:
    found = _PLAYED(text)
    if found is None:
        return None
    reply, samples, unix_us, underruns, final = found.groups('')
    return int(reply or 0), int(samples or 0), int(unix_us or 0), int(underruns or 0), final == 'true'


_PONG: Final = re.compile(
    r'\{"pong": ?\{(?:"id": ?(0|[1-9][0-9]{0,8})(?:, ?(?=")|(?=\})))?(?:"received_unix_us": ?"(0|[1-9][0-9]{0,17})"(?:, ?(?=")|(?=\})))?(?:"sent_unix_us": ?"(0|[1-9][0-9]{0,17})"(?:, ?(?=")|(?=\})))?\}\}'
).fullmatch


def read_pong(text: str) -> tuple[int, int, int] | None:
    found = _PONG(text)
    if found is None:
        return None
    id, received_unix_us, sent_unix_us = found.groups('')
    return int(id or 0), int(received_unix_us or 0), int(sent_unix_us or 0)


_MARK: Final = re.compile(
    r'\{"mark": ?\{(?:"kind": ?"(CLIENT_MARK_KIND_UNSPECIFIED|CLIENT_MARK_KIND_FIRST_PACKET|CLIENT_MARK_KIND_FIRST_RENDERED|CLIENT_MARK_KIND_FIRST_AUDIBLE|CLIENT_MARK_KIND_DUCKED|CLIENT_MARK_KIND_SILENT)"(?:, ?(?=")|(?=\})))?(?:"reply": ?(0|[1-9][0-9]{0,8})(?:, ?(?=")|(?=\})))?(?:"unix_us": ?"(0|[1-9][0-9]{0,17})"(?:, ?(?=")|(?=\})))?\}\}'
).fullmatch


def read_mark(text: str) -> tuple[int, int, int] | None:
    found = _MARK(text)
    if found is None:
        return None
    kind, reply, unix_us = found.groups('')
    return _CLIENT_MARK_KIND[kind], int(reply or 0), int(unix_us or 0)
