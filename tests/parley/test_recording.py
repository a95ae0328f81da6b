"""Sound files as people have them: of every kind, cut off, damaged, joined, with channels that cancel each other."""

from __future__ import annotations

import io
import os
import random
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from parley.audio import Recording, level_db, read_recording, write_wav
from parley.errors import InvalidInput
from tests.parley.sound_files import KINDS, RATE_HZ, encoded, tone, wav

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LOUD_DB = -30


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    return Reading(tmp_path)


class Reading:
    """Has files read that lie in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, data: bytes, name: str = "sound") -> Recording:
        file = self.folder / name
        file.write_bytes(data)
        return read_recording(file, RATE_HZ)

    def refusal(self, data: bytes, name: str = "sound") -> str:
        with pytest.raises(InvalidInput) as caught:
            self.read(data, name)
        assert caught.value.field == "file"
        told = str(caught.value)
        assert told.startswith(str(self.folder / name))
        assert "\n" not in told
        return told


def seconds(recording: Recording) -> float:
    return len(recording.pcm) / 2 / RATE_HZ


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_of_any_kind_is_heard_to_its_end_without_a_word(kind: str, reading: Reading) -> None:
    recording = reading.read(encoded(kind, tone(2.0)))
    assert recording.faults == ()
    assert seconds(recording) == pytest.approx(2.0, abs=0.15)
    assert level_db(recording.pcm) > LOUD_DB


@pytest.mark.parametrize("name", ["10:30.wav", "file:memo.wav", "http:", "a b.wav", "-", "concat:a|b.wav", "%03d.png"])
def test_a_name_is_a_name_whatever_stands_in_it(name: str, reading: Reading) -> None:
    assert seconds(reading.read(wav(tone(1.0)), name)) == 1.0


def test_a_name_may_be_no_text_at_all(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"m\xe9mo.wav")
    file.write_bytes(wav(tone(1.0)))
    assert len(read_recording(file, RATE_HZ).pcm) == 2 * RATE_HZ


def inverted(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    return (-samples.astype(np.int32)).clip(-32_768, 32_767).astype("<i2")


SOUND = tone(2.0)
HALF = len(SOUND) // 2
NOISE = (np.random.default_rng(1).normal(0, 300, len(SOUND))).astype("<i2")
EXTREME = np.where(SOUND > 0, 32_767, -32_768).astype("<i2")


@pytest.mark.parametrize(
    "channels",
    [
        (SOUND, inverted(SOUND)),
        (SOUND, inverted(SOUND) // 2),
        (SOUND, inverted(SOUND) + NOISE),
        (SOUND, np.concatenate((SOUND[:HALF], inverted(SOUND[HALF:])))),
        (SOUND, np.concatenate((inverted(SOUND[:HALF]), SOUND[HALF:]))),
        (EXTREME, inverted(EXTREME)),
        (SOUND, 0 * SOUND),
        (0 * SOUND, SOUND),
        (SOUND, SOUND),
    ],
    ids=[
        "inverted", "inverted and softer", "inverted with noise", "inverted from the middle on",
        "inverted up to the middle", "inverted at full scale", "left alone", "right alone", "both alike",
    ],
)  # fmt: skip
def test_two_channels_never_silence_each_other(channels: tuple[NDArray[np.int16], ...], reading: Reading) -> None:
    mono = np.frombuffer(reading.read(wav(*channels)).pcm, dtype="<i2").astype(np.float64)
    assert len(mono) == len(SOUND)
    for part in np.array_split(mono, 8):
        assert 20 * np.log10(np.sqrt(np.mean(part**2)) / 32_768) > LOUD_DB


def test_a_change_of_sign_makes_no_click(reading: Reading) -> None:
    sound = tone(2.0, 317.0)
    turn = HALF + 1_200
    turning = np.concatenate((sound[:turn], inverted(sound[turn:])))
    mono = np.frombuffer(reading.read(wav(sound, turning)).pcm, dtype="<i2").astype(np.int32)
    after = mono[turn:]
    assert np.abs(np.diff(after)).max() < 1.1 * np.abs(np.diff(sound.astype(np.int32))).max()


def test_channels_that_differ_are_mixed_as_ever(reading: Reading) -> None:
    other = tone(2.0, 700.0)
    mono = np.frombuffer(reading.read(wav(SOUND, other)).pcm, dtype="<i2").astype(np.int32)
    assert np.abs(mono - (SOUND.astype(np.int32) + other) / 2).max() <= 1


@pytest.mark.parametrize("channels", [3, 4, 6, 8, 16])
def test_as_many_channels_as_a_recorder_has_are_heard(channels: int, reading: Reading) -> None:
    recording = reading.read(wav(SOUND, inverted(SOUND), *[0 * SOUND] * (channels - 2)))
    assert seconds(recording) == pytest.approx(2.0)
    assert level_db(recording.pcm) > LOUD_DB


def test_channels_that_nobody_knows_the_order_of_are_told(reading: Reading) -> None:
    assert "sound of 11 channels at 16000 samples a second cannot be used" in reading.refusal(wav(*[SOUND] * 11))


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg", "aiff"])
def test_of_a_file_that_was_cut_off_the_beginning_is_heard(kind: str, reading: Reading) -> None:
    data = encoded(kind, tone(4.0))
    recording = reading.read(data[: len(data) // 2])
    assert 1.0 < seconds(recording) < 3.0
    assert level_db(recording.pcm) > LOUD_DB


@pytest.mark.parametrize("kind", ["wav", "flac", "aiff", "m4a"])
def test_what_is_missing_is_told_where_the_file_says_how_long_it_was(kind: str, reading: Reading) -> None:
    data = encoded(kind, tone(4.0), options={"movflags": "faststart"} if kind == "m4a" else None)
    recording = reading.read(data[: len(data) // 2])
    assert any(
        re.match(r"it is said to last 4\.[01] s, and [12]\.\d s of it are here", each) for each in recording.faults
    )


def test_a_memo_that_was_cut_off_before_its_index_is_told_as_that(reading: Reading) -> None:
    data = encoded("m4a", tone(4.0))
    assert "was cut off" in reading.refusal(data[: len(data) // 2], "memo.m4a")


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "m4a", "aiff"])
def test_damage_in_the_middle_costs_no_more_than_its_place(kind: str, reading: Reading) -> None:
    data = bytearray(encoded(kind, tone(4.0)))
    middle = len(data) // 2
    data[middle : middle + 300] = random.Random(1).randbytes(300)  # noqa: S311 - no secret
    assert seconds(reading.read(bytes(data))) > 2.5


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg"])
def test_files_that_were_joined_are_heard_one_after_the_other(kind: str, reading: Reading) -> None:
    recording = reading.read(encoded(kind, tone(2.0)) + encoded(kind, tone(1.0, 700.0)))
    assert seconds(recording) == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize("kind", ["wav", "aiff", "m4a"])
def test_where_only_the_first_of_joined_files_can_be_read_it_is_told(kind: str, reading: Reading) -> None:
    recording = reading.read(encoded(kind, tone(2.0)) + encoded(kind, tone(1.0)))
    assert recording.faults == ("it is several files in one, of which the first was read",)


def test_a_recording_whose_program_did_not_know_its_length_is_whole(reading: Reading) -> None:
    data = bytearray(wav(tone(2.0)))
    data[4:8] = data[40:44] = b"\xff" * 4
    assert reading.read(bytes(data)).faults == ()


def test_joined_files_may_be_of_another_form_each(reading: Reading) -> None:
    recording = reading.read(encoded("mp3", tone(2.0)) + encoded("mp3", tone(1.0), tone(1.0)))
    assert seconds(recording) == pytest.approx(3.0, abs=0.2)


def test_what_is_said_of_a_recording_may_be_in_any_encoding(reading: Reading) -> None:
    title = b"TIT2\x00\x00\x00\x06\x00\x00\x03caf\xe9\xff"
    tag = b"ID3\x04\x00\x00\x00\x00\x00" + bytes([len(title)]) + title
    assert seconds(reading.read(tag + encoded("mp3", tone(1.0)))) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the file is empty"),
        (b"\0" * 4_000, "cannot be read as audio"),
        (b"What time is it?\n" * 100, "cannot be read as audio"),
        (b"RIFF but nothing that follows is a sound" * 10, "cannot be read as audio"),
        (b"%PDF-1.7\n" + b"1 0 obj << >> endobj\n" * 50, "cannot be read as audio"),
        (b"PK\x03\x04" + bytes(200), "cannot be read as audio"),
        (wav(tone(1.0), rate_hz=1), "1 samples a second"),
        (wav(np.empty(0, dtype="<i2")), "there is no sound in this file"),
        (wav(tone(1.0))[:44], "there is no sound in this file"),
    ],
    ids=[
        "empty",
        "zeros",
        "text",
        "half a header",
        "pdf",
        "zip",
        "one sample a second",
        "no samples",
        "a header alone",
    ],
)
def test_what_is_no_sound_is_told_in_one_line(data: bytes, why: str, reading: Reading) -> None:
    assert why in reading.refusal(data)


def test_a_folder_and_a_name_of_nothing_are_told(tmp_path: Path) -> None:
    for path, why in (
        (tmp_path, "Is a directory"),
        (tmp_path / "nowhere.wav", "no such file"),
        ("", "no file is named"),
    ):
        with pytest.raises(InvalidInput, match=why):
            read_recording(path, RATE_HZ)


def test_hours_of_silence_in_few_bytes_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "silence.flac"
    file.write_bytes(encoded("flac", np.zeros(60 * RATE_HZ, dtype="<i2")))
    assert seconds(read_recording(file, RATE_HZ, longest_seconds=61)) == 60
    with pytest.raises(InvalidInput, match=r"it is longer than 0\.01 hours: cut it into parts"):
        read_recording(file, RATE_HZ, longest_seconds=36)


@pytest.mark.parametrize("where", ["nowhere/x.wav", "", "a file/x.wav", "n" * 300])
def test_where_no_file_can_be_written_it_is_said(where: str, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_wav(tmp_path / where, bytes(2_000), RATE_HZ)


def test_an_open_file_takes_it_too() -> None:
    file = io.BytesIO()
    write_wav(file, tone(1.0).tobytes(), RATE_HZ)
    assert file.getvalue() == wav(tone(1.0))


def test_a_file_that_was_there_stays_where_another_cannot_be_finished(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(InvalidInput, match="No space left on device"):
        write_wav(tmp_path / "full", bytes(2_000), RATE_HZ)
    assert (tmp_path / "full").is_symlink()


def test_a_full_disk_is_said() -> None:
    with pytest.raises(InvalidInput, match="/dev/full cannot be written: No space left on device"):
        write_wav("/dev/full", bytes(2_000), RATE_HZ)
