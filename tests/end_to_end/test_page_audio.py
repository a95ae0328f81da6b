"""The sound of the page in a real Chromium, to the sample: what it plays, how it falls silent, and what it survives."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp
import jiwer
import numpy as np
import pytest

from parley import asr
from parley.audio import LISTENING_RATE_HZ, decode_file, resample, to_s16le, write_wav
from tests.asr_server.test_recordings import words
from tests.end_to_end.barge_in import INTERRUPTIONS, LONG, TONE, interrupt
from tests.end_to_end.chromium import CHROMIUM, RATE_HZ, Visitor, ask, browsing, lines, settle, status, visiting
from tests.end_to_end.tap import recorded, replies
from tests.end_to_end.voice import SPEAKS, say, sounding
from tests.end_to_end.whole import House, free_ports, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from numpy.typing import NDArray
    from playwright.async_api import Page, Route

pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

DUCKED: Final = 10 ** (-18 / 20)
TONE_HZ: Final = 220
REPLY_RATE_HZ: Final = 24_000
ATTEMPTS: Final = 5
PLAIN: Final = "The light in the living room is on. The door of the kitchen is closed, and the window is open."
# Sound is sent as far ahead as it can be, so that it does not run out on a busy machine.
AHEAD: Final = {**TONE, "PARLEY_LEAD_MS": "2000"}
SHORT: Final = "This is long enough for a cough and for what follows it and no longer"

# What a browser without WebCodecs is like, and one that takes a microphone only at the device's own rate.
WITHOUT_CODECS: Final = "delete self.AudioEncoder; delete self.AudioDecoder;\n"
DEVICE_RATE_ONLY: Final = """
  const Source = window.MediaStreamAudioSourceNode;
  window.MediaStreamAudioSourceNode = class extends Source {
    constructor(context, options) {
      if (context.sampleRate === 48000) throw new DOMException("different sample-rate", "NotSupportedError");
      super(context, options);
    }
  };
"""

UNPLUGGED: Final = """
  const media = navigator.mediaDevices, open = media.getUserMedia.bind(media);
  let plugged = true, track;
  media.getUserMedia = async (wanted) => {
    if (!plugged) throw new DOMException("", "NotFoundError");
    const stream = await open(wanted);
    [track] = stream.getTracks();
    return stream;
  };
  window.unplug = () => { plugged = false; track.stop(); track.dispatchEvent(new Event("ended")); };
  window.plug = () => { plugged = true; media.dispatchEvent(new Event("devicechange")); };
"""


def microphone(target: Path, folder: Path, *parts: tuple[float, str, float]) -> Path:
    """For each part: silence in seconds, then so many seconds of a recording."""
    sound = b""
    for silence_seconds, name, seconds in parts:
        pcm = decode_file(folder / f"{name}.flac", RATE_HZ)
        sound += bytes(2 * round(RATE_HZ * silence_seconds)) + pcm[: 2 * round(RATE_HZ * seconds)]
    write_wav(target, sound + bytes(2 * RATE_HZ * 30), RATE_HZ)
    return target


async def without_codecs(route: Route) -> None:
    response = await route.fetch()
    await route.fulfill(response=response, body=WITHOUT_CODECS + await response.text())


async def transcript(house: House, sound: NDArray[np.float32], rate_hz: int) -> str:
    """The words that are in a sound."""
    pcm = resample(to_s16le(sound), rate_hz, LISTENING_RATE_HZ) + bytes(2 * 2 * LISTENING_RATE_HZ)

    async def requests() -> AsyncIterator[asr.Request]:
        yield asr.Config(language="en")
        for place in range(0, len(pcm), 1280):
            yield asr.Audio(pcm[place : place + 1280], place // 2)

    async with (
        asr.AsrClient(house.address("PARLEY_ASR_PORT")) as client,
        client.transcribe(requests()) as events,
    ):
        return " ".join([event.text async for event in events if isinstance(event, asr.EndOfTurn)])


async def test_what_the_page_plays_is_the_reply(speech_dir: Path) -> None:
    visitor = Visitor(script=SPEAKS)
    async with (
        open_house(PARLEY_LLM_ENGINE="scripted", PARLEY_SCRIPTED_LLM_TEXT=PLAIN) as house,
        visiting(f"{house.url}/?tap=1", visitor) as page,
    ):
        await page.click("#talk")
        await status(page, "listening")
        await say(page, decode_file(speech_dir / "v2j-time.flac", RATE_HZ))
        await settle(page)
        said = await lines(page)
        recording = await recorded(page)
        heard = await transcript(house, recording.speaker, recording.rate_hz)
        await page.goto(house.url)
        await page.click("#talk")
        await status(page, "listening")
        assert await page.evaluate("'__parleyTap' in window") is False
    assert [words(line) for line in said] == ["what time is it", words(PLAIN)]
    assert jiwer.wer(words(PLAIN), words(heard)) <= 0.2, heard
    assert recording.gaps == 0


async def test_speech_during_a_reply_ducks_it_and_then_silences_it(speech_dir: Path) -> None:
    names = INTERRUPTIONS[:3]
    evening = await interrupt(speech_dir, names)
    # How fast is for benchmarks/page_barge_in.py to say; here it is that it happens, and in this order.
    assert all(each.ducked_ms < each.silent_ms for each in evening.interruptions), evening
    assert len(evening.unheard) == len(names)
    assert all(LONG.strip().endswith(text) for text in evening.unheard)


async def test_a_cough_ducks_a_reply_which_comes_back_without_a_lost_or_repeated_sample(speech_dir: Path) -> None:
    question = decode_file(speech_dir / "v2j-time.flac", RATE_HZ)
    noises = [
        decode_file(speech_dir / f"{name}.flac", RATE_HZ)[: 2 * round(seconds * RATE_HZ)]
        for name, seconds in (("not-speech-7", 0.3), ("aws-test", 0.25))
    ]
    async with (
        open_house(**AHEAD, PARLEY_SCRIPTED_LLM_TEXT=SHORT) as house,
        visiting(f"{house.url}/?tap=1", Visitor(script=SPEAKS)) as page,
    ):
        await page.click("#talk")
        await status(page, "listening")
        reference, coughed, murmured = [await reply_to(page, question, noise) for noise in (b"", *noises)]
    assert reference.gains_db == ()
    # To an alert detector a cough is voice by a hair, or is not, from run to run and from processor to processor.
    assert coughed.gains_db in ((), (-18, 0))
    assert murmured.gains_db == (-18, 0)
    # A duck that the gateway does not confirm the page takes back by itself, after 400 ms.
    least, most = (0.2, 1.5) if coughed.gains_db else (0.3, 0.6)
    assert least < ducked_seconds(reference.sound, coughed.sound) < most
    assert 0.2 < ducked_seconds(reference.sound, murmured.sound) < 1.5


@dataclass(frozen=True, slots=True)
class Played:
    """A reply as it left the loudspeaker."""

    sound: NDArray[np.float32]
    """(samples,)"""
    gains_db: tuple[int, ...]
    """What the gateway told the page of its loudness."""


async def reply_to(page: Page, question: bytes, noise: bytes) -> Played:
    """The whole reply to a question, with a noise in its middle; again, where a busy machine let it run dry."""
    for _ in range(ATTEMPTS):
        before = await page.locator("#history li:not([data-live])").count()
        await say(page, question)
        await sounding(page, 0.5)
        if noise:
            await say(page, noise)
        await settle(page, before + 1)
        recording = await recorded(page)
        start, end = replies(recording, silence_seconds=1.0)[-1]
        sent = recording.told("reply_audio_end")[-1].detail
        if end - start == int(str(sent["samples"])) * RATE_HZ // REPLY_RATE_HZ:
            ducks = [duck.detail for duck in recording.told("duck") if duck.detail["reply"] == sent["reply"]]
            return Played(recording.speaker[start:end], tuple(round(float(str(duck["gain_db"]))) for duck in ducks))
    pytest.fail("of each reply there is more, or less, than was sent")


@pytest.mark.parametrize("browser", ["current", "without codecs", "device's rate only"])
async def test_every_browser_is_heard_and_hears(browser: str, speech_dir: Path, tmp_path: Path) -> None:
    visitor = Visitor(microphone(tmp_path / "microphone.wav", speech_dir, (1, "v2j-time", 9)))
    async with open_house(**AHEAD, PARLEY_SCRIPTED_LLM_TEXT=SHORT) as house, browsing(visitor) as context:
        page = await context.new_page()
        if browser == "without codecs":
            await page.route("**/web/worker/downlink.js", without_codecs)
        if browser == "device's rate only":
            await page.add_init_script(DEVICE_RATE_ONLY)
        await page.goto(f"{house.url}/?tap=1")
        await page.click("#talk")
        await settle(page)
        said = await lines(page)
        recording = await recorded(page)
    [ready] = recording.told("ready")
    encoding = "PCM_S16LE" if browser == "without codecs" else "OPUS"
    assert all(f"'AUDIO_ENCODING_{encoding}'" in str(ready.detail[way]) for way in ("input", "output"))
    assert (recording.rate_hz == RATE_HZ) == (browser != "device's rate only")
    assert [words(line) for line in said] == ["what time is it", words(SHORT)]
    [(start, end)] = replies(recording, silence_seconds=0.2)
    assert abs((end - start) / recording.rate_hz - 0.06 * len(SHORT)) < 0.2
    assert abs(pitch_hz(recording.speaker[start:end], recording.rate_hz) - TONE_HZ) < 1


async def test_a_microphone_that_is_unplugged_is_missed_and_used_again(speech_dir: Path, tmp_path: Path) -> None:
    # The recording begins anew whenever the microphone is opened, so only the second time are there words in it.
    visitor = Visitor(microphone(tmp_path / "microphone.wav", speech_dir, (4, "v2j-time", 9)))
    async with open_house() as house, browsing(visitor) as context:
        page = await context.new_page()
        await page.add_init_script(UNPLUGGED)
        await page.goto(house.url)
        await page.click("#talk")
        await status(page, "listening")
        await page.evaluate("window.unplug()")
        await page.wait_for_function(
            "() => document.getElementById('error').textContent.startsWith('The microphone is gone')"
        )
        assert await page.get_attribute("body", "data-status") == "deaf"
        await page.evaluate("window.plug()")
        await settle(page)
        assert words((await lines(page))[0]) == "what time is it"


async def test_a_killed_server_is_missed_found_again_and_talked_to(speech_dir: Path, tmp_path: Path) -> None:
    sound = microphone(tmp_path / "microphone.wav", speech_dir, (1, "v2j-time", 9))
    async with open_house() as house, browsing(Visitor(sound)) as context:
        gateway = Gateway(house)
        page = await context.new_page()
        async with gateway.running() as url:
            await page.goto(url)
            await page.click("#talk")
            await settle(page)
        await status(page, "reconnecting")
        assert "connection to Parley was lost" in await page.inner_text("#error")
        async with gateway.running():
            await status(page, "listening", timeout_seconds=30)
            assert not await page.is_visible("#error")
            await ask(page, "What is two plus two?", turns=2)
            assert "4" in (await lines(page))[-1] or "four" in (await lines(page))[-1]
            await page.close()


def ducked_seconds(reference: NDArray[np.float32], sound: NDArray[np.float32]) -> float:
    """How long a reply was softer than it should have been; every sample of it must be there, in its place."""
    assert len(sound) == len(reference)
    at_full = sound == reference
    ducked = np.abs(sound - DUCKED * reference) < 1e-6
    # What is neither is on its way from one to the other: no louder than one, no softer than the other.
    between = np.abs(reference[~at_full & ~ducked]), np.abs(sound[~at_full & ~ducked])
    assert (between[1] <= between[0] + 1e-6).all()
    assert (between[1] >= DUCKED * between[0] - 1e-6).all()
    assert len(between[0]) <= 6 * RATE_HZ // 200
    return float((~at_full).sum()) / RATE_HZ


def pitch_hz(sound: NDArray[np.float32], rate_hz: int) -> float:
    """The strongest frequency in a sound."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * rate_hz / len(sound))


class Gateway:
    """One more gateway before the servers of a house, which can be killed and started again."""

    def __init__(self, house: House) -> None:
        ports = dict(zip(("PARLEY_GATEWAY_PORT", "PARLEY_GATEWAY_GRPC_PORT"), free_ports(2), strict=True))
        servers = {f"PARLEY_{name}_ADDRESS": house.address(f"PARLEY_{name}_PORT") for name in ("ASR", "LLM", "TTS")}
        self._environment = {**os.environ, **servers, **{name: str(port) for name, port in ports.items()}}
        self.url = f"http://127.0.0.1:{ports['PARLEY_GATEWAY_PORT']}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """It runs in this block, and is killed at its end without a chance to say goodbye."""
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "edge_gateway", env=self._environment)
        try:
            async with asyncio.timeout(30), aiohttp.ClientSession() as http:
                while not await answers(http, f"{self.url}/healthz"):
                    pass
            yield self.url
        finally:
            process.kill()
            await process.wait()


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False
