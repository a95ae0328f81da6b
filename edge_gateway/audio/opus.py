"""Opus at the edge: a listener's packets into PCM, a reply's PCM into packets. Mono, s16le. Knows nothing of sessions.

Codecs hold native memory (measured as resident: a decoder 18 KB, an encoder 20, and 31 before libopus 1.6), so make
them when audio begins and `close()` them when it ends. All codecs of one `Libopus` are for one thread, and one stream
of packets needs one codec.

The encoder runs as RESTRICTED_LOWDELAY at complexity 0 and 48 kbit/s; libopus 1.6 and newer make the same packets as
RESTRICTED_CELT, without memory for a coder that is never used. Measured with libopus 1.6.1 at 24 kHz over three
recordings of people and three of the default voice (wide-band PESQ against the original, people / voice; delay 2.5 ms):

- complexity 0, 48 kbit/s: 4.38 / 3.64 at 22 us a packet;
- complexity 5, 32 kbit/s: 4.24 / 3.41 at 44 us: two kilobytes a second are worth less than half the processor;
- complexity 5, 48 kbit/s: 4.43 / 3.94 at 46 us; complexity 0, 32 kbit/s: 4.13 / 3.04 at 21 us.

At 48 kHz one of the three people needs complexity 5: 3.43 at complexity 0 and 48 kbit/s, 3.98 at 0 and 64, 4.15 at 5
and 48. So it is kept there. VOIP costs more than twice as much and has a delay of 6.5 ms, as AUDIO has.
What VOIP could add, forward error correction, is of no use on a WebSocket, which loses nothing.
"""

from __future__ import annotations

import ctypes
from typing import Final

from edge_gateway.audio.libopus import (
    APPLICATION_RESTRICTED_CELT,
    APPLICATION_RESTRICTED_LOWDELAY,
    GET_LOOKAHEAD_REQUEST,
    OPUS_OK,
    RESET_STATE_REQUEST,
    SET_BITRATE_REQUEST,
    SET_COMPLEXITY_REQUEST,
    Libopus,
)
from parley.errors import EngineFailed, InvalidInput

MAX_PACKET_BYTES: Final = 1275
"""The longest Opus frame (RFC 6716, section 3.2.1); 20 ms at 510 kbit/s."""

PACKETS_PER_SECOND: Final = 50
"""Packets last 20 ms."""

_BYTES_PER_SAMPLE = 2
# A packet lasts at most 120 ms (RFC 6716, section 3.2.5), and every length is a multiple of 2.5 ms.
_LONGEST_PACKET_MS = 120
_GRAINS_PER_SECOND = 400


class Decoder:
    """Turns one stream of packets into s16le PCM; 16 us for a packet of 20 ms at 16 kHz."""

    keeps_packets = True

    def __init__(self, libopus: Libopus, sample_rate_hz: int = 16_000) -> None:
        """Make a decoder that writes mono PCM at `sample_rate_hz`: 8000, 12000, 16000, 24000 or 48000.

        Whatever the sender's rate and channels were, libopus brings them to this rate and to mono.

        Raises:
            InvalidInput: another rate (field `sample_rate_hz`).
        """
        self._state: int | None = None
        self._libopus = libopus
        self.sample_rate_hz = sample_rate_hz
        error = ctypes.c_int(OPUS_OK)
        self._state = libopus.decoder_create(sample_rate_hz, 1, error)
        if self._state is None:
            raise InvalidInput(
                f"Opus cannot decode to {sample_rate_hz} Hz: {libopus.explain(error.value)}",
                field="sample_rate_hz",
            )
        self._max_samples = sample_rate_hz * _LONGEST_PACKET_MS // 1000
        self._grain_samples = sample_rate_hz // _GRAINS_PER_SECOND
        self.packet_samples = 0
        """How long the last packet lasted."""

    def decode(self, packet: bytes) -> bytes:
        """Return the PCM of one packet of 2.5 to 120 ms.

        Raises:
            InvalidInput: empty, over 1275 bytes, or no Opus (field `packet`). The decoder stays usable.
        """
        _check(packet)
        pcm = self._run(packet, self._max_samples, fec=0)
        self.packet_samples = len(pcm) // _BYTES_PER_SAMPLE
        return pcm

    def conceal(self, samples: int) -> bytes:
        """Return `samples` of plausible PCM in place of a lost packet; longer losses fade into silence.

        Raises:
            ValueError: `samples` is not 2.5 to 120 ms, or no multiple of 2.5 ms.
        """
        self._check_loss(samples)
        return self._run(None, samples, fec=0)

    def decode_fec(self, packet: bytes, samples: int) -> bytes:
        """Return the `samples` lost just before `packet`, from the copy of them that `packet` may carry.

        Where it carries none they are concealed. Decode the packet itself afterwards.

        Raises:
            InvalidInput: as `decode`.
            ValueError: as `conceal`.
        """
        _check(packet)
        self._check_loss(samples)
        return self._run(packet, samples, fec=1)

    def reset(self) -> None:
        """Forget the stream so far, as at a jump to other audio."""
        self._libopus.decoder_control(_opened(self._state), RESET_STATE_REQUEST)

    def close(self) -> None:
        """Free the native memory; again does nothing, and decoding afterwards is a `ValueError`."""
        state, self._state = self._state, None
        if state is not None:
            self._libopus.decoder_destroy(state)

    def __del__(self) -> None:
        """Free what nobody closed."""
        self.close()

    def _run(self, packet: bytes | None, samples: int, *, fec: int) -> bytes:
        size = 0 if packet is None else len(packet)
        count: int = self._libopus.decode(
            _opened(self._state), packet, size, self._libopus.output_address, samples, fec
        )
        if count < 0:
            raise InvalidInput(f"the packet cannot be decoded as Opus: {self._libopus.explain(count)}", field="packet")
        return self._libopus.written[: count * _BYTES_PER_SAMPLE].tobytes()

    def _check_loss(self, samples: int) -> None:
        if not 0 < samples <= self._max_samples or samples % self._grain_samples:
            raise ValueError(f"{samples} samples are not 2.5 to 120 ms in steps of 2.5 ms at {self.sample_rate_hz} Hz")


class Encoder:
    """Turns one stream of s16le PCM into packets of 20 ms; 22 us each at 24 kHz."""

    def __init__(
        self, libopus: Libopus, sample_rate_hz: int = 24_000, *, bitrate_bps: int = 48_000, complexity: int = 0
    ) -> None:
        """Make an encoder for mono PCM at 8000, 12000, 16000, 24000 or 48000 Hz.

        `bitrate_bps` is 6000 to 510000, kept on average; `complexity` is 0 (cheapest) to 10.

        Raises:
            InvalidInput: a value that Opus does not take; the field is its name.
        """
        self._state: int | None = None
        self._libopus = libopus
        self.sample_rate_hz = sample_rate_hz
        error = ctypes.c_int(OPUS_OK)
        for application in (APPLICATION_RESTRICTED_CELT, APPLICATION_RESTRICTED_LOWDELAY):
            self._state = libopus.encoder_create(sample_rate_hz, 1, application, error)
            if self._state is not None:
                break
        else:
            raise InvalidInput(
                f"Opus cannot encode {sample_rate_hz} Hz: {libopus.explain(error.value)}",
                field="sample_rate_hz",
            )
        self._set(SET_BITRATE_REQUEST, bitrate_bps, "bitrate_bps")
        self._set(SET_COMPLEXITY_REQUEST, complexity, "complexity")
        self.samples_per_packet = sample_rate_hz // PACKETS_PER_SECOND
        self.bytes_per_packet = self.samples_per_packet * _BYTES_PER_SAMPLE

    @property
    def lookahead_samples(self) -> int:
        """How late a decoder's output is: 2.5 ms. So many samples of silence after the last push its end out."""
        value = ctypes.c_int32()
        self._libopus.encoder_control(_opened(self._state), GET_LOOKAHEAD_REQUEST, ctypes.byref(value))
        return value.value

    def encode(self, pcm: bytes) -> bytes:
        """Return the packet of exactly 20 ms of PCM.

        Raises:
            ValueError: `pcm` is longer or shorter.
        """
        if len(pcm) != self.bytes_per_packet:
            raise ValueError(
                f"{len(pcm)} bytes are not the {self.bytes_per_packet} of 20 ms at {self.sample_rate_hz} Hz"
            )
        size: int = self._libopus.encode(
            _opened(self._state), pcm, self.samples_per_packet, self._libopus.output_address, MAX_PACKET_BYTES
        )
        if size < 0:
            raise EngineFailed(f"Opus could not encode: {self._libopus.explain(size)}")
        return self._libopus.written[:size].tobytes()

    def reset(self) -> None:
        """Forget the stream so far, so that nothing of one reply sounds in the next."""
        self._libopus.encoder_control(_opened(self._state), RESET_STATE_REQUEST)

    def close(self) -> None:
        """Free the native memory; again does nothing, and encoding afterwards is a `ValueError`."""
        state, self._state = self._state, None
        if state is not None:
            self._libopus.encoder_destroy(state)

    def __del__(self) -> None:
        """Free what nobody closed."""
        self.close()

    def _set(self, request: int, value: int, field: str) -> None:
        code: int = self._libopus.encoder_control(_opened(self._state), request, ctypes.c_int32(value))
        if code != OPUS_OK:
            raise InvalidInput(f"{field}={value}: {self._libopus.explain(code)}", field=field)


def _check(packet: bytes) -> None:
    if not 0 < len(packet) <= MAX_PACKET_BYTES:
        raise InvalidInput(f"a packet has 1 to {MAX_PACKET_BYTES} bytes, not {len(packet)}", field="packet")


def _opened(state: int | None) -> int:
    # A call on freed memory would not raise but crash the process.
    if state is None:
        raise ValueError("the codec is closed")
    return state
