"""Sound in binary frames: a header of 16 bytes and a packet, as `conversation.proto` describes them.

Knows nothing of sockets.
"""

from __future__ import annotations

import enum
import struct
from typing import Final

from parley.conversation.audio import MAX_OPUS_BYTES, MAX_PCM_BYTES, AudioPacket, Encoding
from parley.errors import InvalidInput


class FrameKind(enum.IntEnum):
    """First byte of a binary frame."""

    MIC_OPUS = 1
    MIC_PCM = 2
    REPLY_OPUS = 16
    REPLY_PCM = 17


FRAME_HEADER: Final = struct.Struct("<BBHIq")
"""Kind, flags, silent packets left out (microphone) or number (reply), sequence, and capture time or first sample."""

_LEFT_OUT: Final = 4
_JOINED_SHIFT: Final = 4
"""Where in the flags stands how many packets were put together, less one."""

_MIC_KINDS = {Encoding.OPUS: FrameKind.MIC_OPUS, Encoding.PCM_S16LE: FrameKind.MIC_PCM}

_REPLY_KINDS = {Encoding.OPUS: FrameKind.REPLY_OPUS, Encoding.PCM_S16LE: FrameKind.REPLY_PCM}


def pack_mic(packet: AudioPacket, encoding: Encoding) -> bytes:
    """A packet from the microphone as a binary frame."""
    flags = (_LEFT_OUT if packet.left_out else 0) | max(0, packet.packets - 1) << _JOINED_SHIFT
    head = _MIC_KINDS[encoding], flags, packet.left_out & 0xFFFF, packet.sequence, packet.captured_unix_us
    return FRAME_HEADER.pack(*head) + packet.data


def pack_reply(packet: AudioPacket, encoding: Encoding) -> bytes:
    """A packet of a reply as a binary frame."""
    head = FRAME_HEADER.pack(_REPLY_KINDS[encoding], 0, packet.reply & 0xFFFF, packet.sequence, packet.first_sample)
    return head + packet.data


def unpack_mic(frame: bytes, encoding: Encoding) -> AudioPacket:
    """A binary frame from the microphone.

    Raises:
        InvalidInput: too short, too long, or not of the session's format.
    """
    if len(frame) <= FRAME_HEADER.size:
        raise InvalidInput(
            f"a binary frame of {len(frame)} bytes: the header alone has {FRAME_HEADER.size}", field="frame"
        )
    kind, flags, left_out, sequence, captured = FRAME_HEADER.unpack_from(frame)
    if kind != _MIC_KINDS[encoding]:
        raise InvalidInput(
            f"kind {kind} in a binary frame: this session's microphone sends {_MIC_KINDS[encoding].name}", field="kind"
        )
    size = len(frame) - FRAME_HEADER.size
    limit = MAX_OPUS_BYTES if encoding is Encoding.OPUS else MAX_PCM_BYTES
    if size > limit:
        raise InvalidInput(f"a packet of {size} bytes: at most {limit} are taken", field="packet")
    more = flags >> _JOINED_SHIFT
    left_out = left_out if flags & _LEFT_OUT else 0
    packets = more + 1 if more else 0
    return AudioPacket(frame[FRAME_HEADER.size :], sequence, captured, left_out=left_out, packets=packets)


def unpack_reply(frame: bytes) -> tuple[AudioPacket, Encoding]:
    """A binary frame of a reply, and how its bytes are to be read.

    Raises:
        InvalidInput: too short, or of another kind.
    """
    if len(frame) <= FRAME_HEADER.size:
        raise InvalidInput(f"a binary frame of {len(frame)} bytes is too short", field="frame")
    kind, _flags, reply, sequence, first_sample = FRAME_HEADER.unpack_from(frame)
    encoding = next((encoding for encoding, number in _REPLY_KINDS.items() if number == kind), None)
    if encoding is None:
        raise InvalidInput(f"kind {kind} in a binary frame is no reply's", field="kind")
    return AudioPacket(frame[FRAME_HEADER.size :], sequence, reply=reply, first_sample=first_sample), encoding
