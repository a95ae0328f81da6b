from __future__ import annotations

import ctypes
import resource
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.audio.opus import MAX_PACKET_BYTES, Decoder, Encoder
from parley.audio import decode_file
from parley.conversation import AudioFormat, Encoding
from parley.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE_HZ = 24_000
VOIP = 2048
LOWDELAY = 2051
CELT = 2053
BAD_ARGUMENT = -1
SET_FEC, SET_EXPECTED_LOSS = 4012, 4014
RSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


@pytest.fixture(scope="module")
def libopus() -> Libopus:
    return Libopus(find_libopus())


@pytest.fixture(scope="module")
def speech(speech_dir: Path) -> bytes:
    """A person's words at 24 kHz, whole packets."""
    pcm = decode_file(speech_dir / "ten-of-clubs.flac", RATE_HZ)
    return pcm[: len(pcm) // 960 * 960]


def packets_of(encoder: Encoder, pcm: bytes) -> list[bytes]:
    size = encoder.bytes_per_packet
    return [encoder.encode(pcm[at : at + size]) for at in range(0, len(pcm), size)]


def foreign_packet(
    libopus: Libopus, application: int, samples: int, *, rate_hz: int = 48_000, channels: int = 1
) -> bytes:
    """A packet as another sender would make it, of `samples` of a 440 Hz tone."""
    tone = np.sin(2 * np.pi * 440 * np.arange(samples) / rate_hz) * 8000
    pcm = np.repeat(tone, channels).astype("<i2").tobytes()
    packet = ctypes.create_string_buffer(MAX_PACKET_BYTES)
    state = libopus.encoder_create(rate_hz, channels, application, ctypes.c_int())
    size: int = libopus.encode(state, pcm, samples, ctypes.addressof(packet), MAX_PACKET_BYTES)
    libopus.encoder_destroy(state)
    return packet.raw[:size]


def samples_of(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def snr_db(wanted: bytes, got: bytes) -> float:
    """Signal to noise of `got` against as much of `wanted`."""
    noise = samples_of(got) - samples_of(wanted)[: len(got) // 2]
    return float(10 * np.log10(np.sum(samples_of(wanted) ** 2) / np.sum(noise**2)))


def test_speech_comes_back_as_it_was_but_for_the_lookahead(libopus: Libopus, speech: bytes) -> None:
    encoder, decoder = Encoder(libopus, RATE_HZ), Decoder(libopus, RATE_HZ)
    heard = b"".join(decoder.decode(packet) for packet in packets_of(encoder, speech))
    assert len(heard) == len(speech)
    assert encoder.lookahead_samples == RATE_HZ // 400
    late_bytes = 2 * encoder.lookahead_samples
    assert snr_db(speech, heard[late_bytes:]) > 10
    assert snr_db(speech, heard) < 5


def test_packets_have_the_size_that_the_bitrate_gives(libopus: Libopus, speech: bytes) -> None:
    for bitrate_bps in (16_000, 32_000, 64_000):
        packets = packets_of(Encoder(libopus, RATE_HZ, bitrate_bps=bitrate_bps), speech)
        mean_bytes = sum(map(len, packets)) / len(packets)
        assert mean_bytes == pytest.approx(bitrate_bps / 8 / 50, rel=0.2)


def test_a_reply_sounds_better_than_at_twice_the_work_and_two_thirds_of_the_bits(
    libopus: Libopus, speech: bytes
) -> None:
    def mean_snr_db(encoder: Encoder) -> float:
        decoder = Decoder(libopus, RATE_HZ)
        heard = b"".join(decoder.decode(packet) for packet in packets_of(encoder, speech))[2 * RATE_HZ // 400 :]
        parts = [(speech[at : at + 960], heard[at : at + 960]) for at in range(0, len(heard) - 960, 960)]
        return float(np.mean([snr_db(*part) for part in parts if np.abs(samples_of(part[0])).mean() > 100]))

    ours = Codecs(libopus).encoder_factory(AudioFormat(Encoding.OPUS, RATE_HZ))()
    assert isinstance(ours, Encoder)
    assert mean_snr_db(ours) > mean_snr_db(Encoder(libopus, RATE_HZ, bitrate_bps=32_000, complexity=5)) + 1


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_a_packet_is_decoded_at_the_rate_asked_for(libopus: Libopus, speech: bytes, rate_hz: int) -> None:
    packet = Encoder(libopus, RATE_HZ).encode(speech[:960])
    assert len(Decoder(libopus, rate_hz).decode(packet)) == 2 * rate_hz // 50


@pytest.mark.parametrize(
    ("application", "milliseconds"), [(LOWDELAY, 2.5), (LOWDELAY, 5), (VOIP, 20), (VOIP, 60), (VOIP, 120)]
)
def test_packets_of_every_length_are_taken(libopus: Libopus, application: int, milliseconds: float) -> None:
    packet = foreign_packet(libopus, application, int(48 * milliseconds))
    assert len(Decoder(libopus).decode(packet)) == 2 * 16 * milliseconds


def test_a_stereo_packet_becomes_mono(libopus: Libopus) -> None:
    packet = foreign_packet(libopus, LOWDELAY, 960, channels=2)
    assert len(Decoder(libopus).decode(packet)) == 640


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(MAX_PACKET_BYTES + 1), id="too long"),
        pytest.param(b"\xff\x00", id="framing of nothing"),
        pytest.param(b"\xfb\x3f" + bytes(20), id="over 120 ms"),
    ],
)
def test_what_is_no_packet_is_refused_and_harms_nothing(libopus: Libopus, speech: bytes, packet: bytes) -> None:
    good = packets_of(Encoder(libopus, RATE_HZ), speech[:9600])
    decoder, untouched = Decoder(libopus), Decoder(libopus)
    for each in good[:5]:
        assert decoder.decode(each) == untouched.decode(each)
    with pytest.raises(InvalidInput) as raised:
        decoder.decode(packet)
    assert raised.value.field == "packet"
    for each in good[5:]:
        assert decoder.decode(each) == untouched.decode(each)


@given(packet=st.binary(max_size=MAX_PACKET_BYTES))
def test_no_bytes_whatever_break_the_decoder(libopus: Libopus, packet: bytes) -> None:
    decoder = Decoder(libopus)
    try:
        assert 0 < len(decoder.decode(packet)) <= 2 * 16 * 120
    except InvalidInput as error:
        assert error.field == "packet"  # noqa: PT017 - most bytes are valid Opus
    assert len(decoder.conceal(320)) == 640


def test_a_lost_packet_is_concealed_with_something_like_it(libopus: Libopus) -> None:
    tone = (np.sin(2 * np.pi * 200 * np.arange(RATE_HZ) / RATE_HZ) * 8000).astype("<i2").tobytes()
    decoder = Decoder(libopus, RATE_HZ)
    for packet in packets_of(Encoder(libopus, RATE_HZ), tone)[:25]:
        decoder.decode(packet)
    concealed = samples_of(decoder.conceal(480))
    assert len(concealed) == 480
    assert np.sqrt(np.mean(concealed**2)) > 1000
    assert np.argmax(np.abs(np.fft.rfft(concealed))) * RATE_HZ / 480 == pytest.approx(200, abs=50)


def test_a_long_loss_fades_into_silence(libopus: Libopus, speech: bytes) -> None:
    decoder = Decoder(libopus, RATE_HZ)
    for packet in packets_of(Encoder(libopus, RATE_HZ, bitrate_bps=32_000, complexity=5), speech)[:30]:
        decoder.decode(packet)
    gap = b"".join(decoder.conceal(2880) for _ in range(10))
    assert np.abs(samples_of(gap)[-2880:]).max() < 200


@pytest.mark.parametrize("samples", [0, -320, 321, 16 * 120 + 40])
def test_a_loss_that_no_packet_could_have_held_is_refused(libopus: Libopus, samples: int) -> None:
    with pytest.raises(ValueError, match=r"not 2\.5 to 120 ms"):
        Decoder(libopus).conceal(samples)


def test_forward_error_correction_restores_more_than_concealment(libopus: Libopus, speech_dir: Path) -> None:
    pcm = decode_file(speech_dir / "ten-of-clubs.flac", 16_000)
    packets = packets_with_fec(libopus, pcm)
    whole, concealing, correcting = Decoder(libopus), Decoder(libopus), Decoder(libopus)
    wanted, guessed, restored = b"", b"", b""
    for before, lost, after in zip(packets[0::3], packets[1::3], packets[2::3], strict=False):
        whole.decode(before), concealing.decode(before), correcting.decode(before)
        wanted += whole.decode(lost)
        guessed += concealing.conceal(320)
        restored += correcting.decode_fec(after, 320)
        whole.decode(after), concealing.decode(after), correcting.decode(after)
    assert snr_db(wanted, restored) > snr_db(wanted, guessed) + 3


def packets_with_fec(libopus: Libopus, pcm: bytes) -> list[bytes]:
    packet = ctypes.create_string_buffer(MAX_PACKET_BYTES)
    state = libopus.encoder_create(16_000, 1, VOIP, ctypes.c_int())
    libopus.encoder_control(state, SET_FEC, ctypes.c_int(1))
    libopus.encoder_control(state, SET_EXPECTED_LOSS, ctypes.c_int(30))
    packets = []
    for at in range(0, len(pcm) - 640, 640):
        size: int = libopus.encode(state, pcm[at : at + 640], 320, ctypes.addressof(packet), MAX_PACKET_BYTES)
        packets.append(packet.raw[:size])
    libopus.encoder_destroy(state)
    return packets


def test_after_a_reset_nothing_of_the_old_stream_sounds(libopus: Libopus, speech: bytes) -> None:
    encoder, decoder = Encoder(libopus, RATE_HZ), Decoder(libopus, RATE_HZ)
    for packet in packets_of(encoder, speech):
        decoder.decode(packet)
    encoder.reset()
    decoder.reset()
    assert encoder.encode(speech[:960]) == Encoder(libopus, RATE_HZ).encode(speech[:960])
    packet = encoder.encode(speech[960:1920])
    assert decoder.decode(packet) == Decoder(libopus, RATE_HZ).decode(packet)


def test_an_encoder_that_was_given_back_goes_to_the_next_reply_and_sounds_like_a_new_one(
    libopus: Libopus, speech: bytes
) -> None:
    codecs, fresh = Codecs(libopus), Codecs(libopus)
    lent, beside = (codecs.encoder_factory(AudioFormat(Encoding.OPUS, RATE_HZ)) for _ in range(2))
    with lent:
        first = lent()
        assert lent() is first
        assert beside() is not first
        for at in range(0, 48_000, 960):
            first.encode(speech[at : at + 960])
    with lent:
        pass
    others = [codecs.encoder_factory(AudioFormat(Encoding.OPUS, rate_hz))() for rate_hz in (48_000, RATE_HZ, RATE_HZ)]
    assert [each is first for each in others] == [False, True, False]
    new = fresh.encoder_factory(AudioFormat(Encoding.OPUS, RATE_HZ))()
    assert [first.encode(speech[at : at + 960]) for at in (0, 960)] == [
        new.encode(speech[at : at + 960]) for at in (0, 960)
    ]


@pytest.mark.parametrize(("rate_hz", "complexity"), [(24_000, 0), (48_000, 5)])
def test_a_libopus_that_knows_no_coder_alone_makes_the_same_packets(
    libopus: Libopus, speech_dir: Path, rate_hz: int, complexity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, asked = Libopus(find_libopus()), []

    def create(rate_hz: int, channels: int, application: int, error: ctypes.c_int) -> int | None:
        asked.append(application)
        if application == CELT:
            error.value = BAD_ARGUMENT
            return None
        state: int = libopus.encoder_create(rate_hz, channels, application, error)
        return state

    monkeypatch.setattr(old, "encoder_create", create)
    pcm = decode_file(speech_dir / "ten-of-clubs.flac", rate_hz)
    pcm = pcm[: len(pcm) // (rate_hz // 25) * (rate_hz // 25)]
    made = [packets_of(Encoder(each, rate_hz, complexity=complexity), pcm) for each in (libopus, old)]
    assert asked == [CELT, LOWDELAY]
    assert made[0] == made[1]


def test_what_one_codec_has_made_stays_when_another_makes_something(libopus: Libopus, speech: bytes) -> None:
    encoder, decoder = Encoder(libopus, RATE_HZ), Decoder(libopus, RATE_HZ)
    packet = encoder.encode(speech[:960])
    kept = bytes(packet)
    pcm = decoder.decode(packet)
    heard = bytes(pcm)
    Decoder(libopus, 48_000).decode(encoder.encode(speech[960:1920]))
    assert (packet, pcm) == (kept, heard)


@pytest.mark.parametrize("size", [0, 958, 962, 1920])
def test_the_encoder_takes_exactly_20_ms(libopus: Libopus, size: int) -> None:
    with pytest.raises(ValueError, match="20 ms"):
        Encoder(libopus, RATE_HZ).encode(bytes(size))


def test_values_that_opus_cannot_take_are_named(libopus: Libopus) -> None:
    with pytest.raises(InvalidInput) as raised:
        Encoder(libopus, 44_100)
    assert raised.value.field == "sample_rate_hz"
    with pytest.raises(InvalidInput) as raised:
        Decoder(libopus, 22_050)
    assert raised.value.field == "sample_rate_hz"
    with pytest.raises(InvalidInput) as raised:
        Encoder(libopus, complexity=11)
    assert raised.value.field == "complexity"
    with pytest.raises(InvalidInput) as raised:
        Encoder(libopus, bitrate_bps=0)
    assert raised.value.field == "bitrate_bps"


def test_a_closed_codec_refuses_work_and_may_be_closed_again(libopus: Libopus) -> None:
    encoder, decoder = Encoder(libopus), Decoder(libopus)
    packet = encoder.encode(bytes(960))
    for codec in (encoder, decoder):
        codec.close()
        codec.close()
    with pytest.raises(ValueError, match="closed"):
        encoder.encode(bytes(960))
    with pytest.raises(ValueError, match="closed"):
        decoder.decode(packet)


@pytest.mark.parametrize("close", [True, False], ids=["closed", "forgotten"])
def test_codecs_give_their_memory_back(libopus: Libopus, *, close: bool) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1000):
        codecs = Decoder(libopus), Encoder(libopus)
        if close:
            for codec in codecs:
                codec.close()
    grown_bytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * RSS_UNIT_BYTES
    assert grown_bytes < 10_000_000
