"""What a user types, and sees."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
import wave
from pathlib import Path

import jiwer
import numpy as np
import pytest

from parley.audio import decode_file, to_float32
from parley_cli.processes import PROCESSES
from tests.end_to_end.whole import House, free_ports, open_house
from tests.parley.sound_files import RATE_HZ, encoded, wav

PROGRAM = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


async def parley(*arguments: str, **settings: str) -> tuple[int, str, str]:
    """Status, output and errors of one command."""
    return await run("-m", "parley_cli", *arguments, **settings)


async def run(*arguments: str, **settings: str) -> tuple[int, str, str]:
    """Status, output and errors of one Python."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


@pytest.mark.timeout(120)
async def test_every_command_does_what_it_says(speech_dir: Path, tmp_path: Path) -> None:
    async with open_house() as house:
        await asks_a_question(house, speech_dir, tmp_path)
        await speaks_the_recording_that_comes_with_it(house)
        await uses_each_server_alone(house, speech_dir, tmp_path)
        await runs_the_programs_of_the_readme(house)
        await names_what_is_wrong_with_a_file(house, tmp_path)


@pytest.mark.timeout(120)
async def test_what_a_command_cannot_use_ends_it_in_one_line(speech_dir: Path, tmp_path: Path) -> None:
    async with open_house() as house:
        await hears_what_a_file_has(house, speech_dir, tmp_path)
        await says_what_cannot_be_spoken_or_written(house, tmp_path)
        await ends_as_it_should_whoever_reads(house)


async def asks_a_question(house: House, speech_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "reply.wav"
    file = str(speech_dir / "v2j-time.flac")
    status, printed, errors = await parley("talk", file, "--url", house.url, "--json", "--out", str(out))
    assert (status, errors) == (0, "")
    turn = json.loads(printed)
    assert turn["transcript"].lower().strip("?") == "what time is it"
    assert turn["reply"] == turn["heard"]
    assert turn["outcome"] == "completed"
    assert len(turn["trace_id"]) == 32
    assert 200 < turn["mic_to_speaker_ms"] < 2000
    assert {"client.capture", "asr.endpoint", "llm.chat", "tts.synthesize"} <= {
        each["name"] for each in turn["waterfall"]
    }
    with wave.open(str(out)) as sound:
        assert sound.getframerate() == 24_000
    status, heard, _ = await parley("transcribe", str(out), "--server", house.address("PARLEY_ASR_PORT"))
    assert status == 0
    assert heard.lower().startswith("it is")
    level = abs(to_float32(decode_file(out, 16_000)))
    assert level.max() > 0.1


async def speaks_the_recording_that_comes_with_it(house: House) -> None:
    status, printed, _ = await parley("talk", "--url", house.url)
    assert status == 0
    assert "hear me" in printed.lower()
    assert "ms from the end of your speech to the first sound" in printed
    assert "asr.endpoint" in printed


async def uses_each_server_alone(house: House, speech_dir: Path, tmp_path: Path) -> None:
    file = speech_dir / "living-room-light.flac"
    status, heard, _ = await parley("transcribe", str(file), "--server", house.address("PARLEY_ASR_PORT"))
    assert (status, heard.strip()) == (0, "Turn on the living room light.")
    llm = house.address("PARLEY_LLM_PORT")
    status, reply, _ = await parley("chat", "what is seven times eight", "--server", llm)
    assert (status, reply) == (0, "Seven times eight is fifty-six.\n")
    out = tmp_path / "said.wav"
    tts = house.address("PARLEY_TTS_PORT")
    status, _, _ = await parley("say", "Please tell me more about that.", "--out", str(out), "--server", tts)
    assert status == 0
    _, heard, _ = await parley("transcribe", str(out), "--server", house.address("PARLEY_ASR_PORT"))
    assert jiwer.wer("please tell me more about that", heard.lower().strip(" .\n")) <= 0.2
    status, _, errors = await parley("say", "Hello", "--out", str(out), "--voice", "nobody", "--server", tts)
    assert status == 1
    assert "nobody" in errors


async def runs_the_programs_of_the_readme(house: House) -> None:
    programs = PROGRAM.findall((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8"))
    assert len(programs) == 2
    for program in programs:
        here = program
        for port, variable in (("50050", "PARLEY_GATEWAY_GRPC_PORT"), ("50052", "PARLEY_LLM_PORT")):
            here = here.replace(f"localhost:{port}", house.address(variable))
        assert here != program
        status, printed, errors = await run("-c", here)
        assert (status, printed.strip(), errors) == (0, "Seven times eight is fifty-six.", "")


async def names_what_is_wrong_with_a_file(house: House, tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.wav", tmp_path / "broken.wav"
    empty.write_bytes(b"")
    broken.write_bytes(b"RIFF but nothing that follows is a sound" * 10)
    for file in (empty, broken, tmp_path / "missing.wav"):
        status, printed, errors = await parley("talk", str(file), "--url", house.url)
        assert (status, printed) == (1, "")
        assert str(file) in errors
        assert errors.count("\n") == 1


async def hears_what_a_file_has(house: House, speech_dir: Path, tmp_path: Path) -> None:
    pcm = decode_file(speech_dir / "living-room-light.flac", RATE_HZ)
    mono = np.frombuffer(pcm, dtype="<i2")
    inverted = tmp_path / "10:30.wav"
    inverted.write_bytes(wav(mono, np.negative(np.maximum(mono, -32_767))))
    cut_off = tmp_path / "memo.flac"
    whole = encoded("flac", np.concatenate((mono, mono)))
    cut_off.write_bytes(whole[: len(whole) * 2 // 3])
    for file, told in ((inverted, ""), (cut_off, "is said to last")):
        status, heard, errors = await parley("transcribe", str(file), "--server", house.address("PARLEY_ASR_PORT"))
        assert (status, heard.splitlines()[0]) == (0, "Turn on the living room light.")
        assert told in errors
        assert errors.count("\n") == bool(told)


async def says_what_cannot_be_spoken_or_written(house: House, tmp_path: Path) -> None:
    out, server = tmp_path / "nothing.wav", ("--server", house.address("PARLEY_TTS_PORT"))
    for text in ("...", "—", "\u200b"):
        status, printed, errors = await parley("say", text, "--out", str(out), *server)
        assert (status, printed) == (1, "")
        assert errors == f"parley: nothing of {text!r} can be spoken: {out} was not written\n"
        assert not out.exists()
    status, printed, errors = await parley("say", "Hello", "--out", "/dev/full", *server)
    assert (status, printed, errors) == (1, "", "parley: /dev/full cannot be written: No space left on device\n")


async def ends_as_it_should_whoever_reads(house: House) -> None:
    chat = ("chat", "what is seven times eight", "--server", house.address("PARLEY_LLM_PORT"))
    reader, writer = os.pipe()
    os.close(reader)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        assert await ended(*chat, stdout=writer) == (141, "")
        assert await ended(*chat, stdout=full) == (1, "parley: standard output: No space left on device\n")
        assert await ended("talk", "--url", house.url, stdout=writer) == (141, "")
    finally:
        os.close(writer)
        os.close(full)


async def ended(*arguments: str, stdout: int) -> tuple[int | None, str]:
    """Status and errors of one command that prints elsewhere."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "parley_cli", *arguments, stdout=stdout, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def test_without_a_gateway_the_remedy_is_named() -> None:
    (port,) = free_ports(1)
    status, _, errors = await parley("talk", "--url", f"http://127.0.0.1:{port}")
    assert status == 1
    assert "make run" in errors
    assert errors.count("\n") == 1


async def test_without_a_server_it_is_named() -> None:
    (port,) = free_ports(1)
    status, _, errors = await parley("chat", "hello", "--server", f"127.0.0.1:{port}")
    assert status == 1
    assert "the llm server is not available" in errors


async def test_a_port_that_is_taken_is_named_with_the_variable_that_changes_it() -> None:
    variables = [name for process in PROCESSES for name, _ in process.port_variables]
    ports = dict(zip(variables, map(str, free_ports(len(variables))), strict=True))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(ports["PARLEY_TTS_PORT"])))
        taken.listen()
        status, _, errors = await parley("up", **ports)
    assert status == 1
    assert ports["PARLEY_TTS_PORT"] in errors
    assert "PARLEY_TTS_PORT" in errors
    assert errors.count("\n") == 1


async def test_a_wrong_setting_stops_everything_and_is_named() -> None:
    variables = [name for process in PROCESSES for name, _ in process.port_variables]
    ports = dict(zip(variables, map(str, free_ports(len(variables))), strict=True))
    status, _, errors = await parley("up", **ports, PARLEY_TTS_ENGINE="espeek")
    assert status == 1
    assert "PARLEY_TTS_ENGINE=espeek: not one of espeak, hibari, piper, scripted" in errors
    assert errors.count("\n") == 1
