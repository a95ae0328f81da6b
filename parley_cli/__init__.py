"""The command line: `parley up|doctor|models|talk|trace|transcribe|chat|say|bench|eval`.

Those that talk are examples of the SDK.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from parley._variables import unknown
from parley.errors import not_installed
from parley_cli.arguments import cores, one_or_more, pids, seconds, share
from parley_cli.processes import ASR, LLM, TTS, page_url, server_address
from parley_cli.terminal import guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parley_cli.processes import Process

# What the extra `cli` brings; most commands need some of it, and all of them come with it.
_EXTRA = ("aiohttp", "av", "soxr")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 when it did what it says, 1 with a line on standard error when not."""
    return guarded(lambda: _main(arguments))


def _main(arguments: Sequence[str] | None) -> int:
    missing = [package for package in _EXTRA if not _is_installed(package)]
    if missing:
        raise not_installed(f"what the command line needs ({', '.join(missing)})", "cli")
    options = _parser().parse_args(arguments)
    for sentence in unknown(os.environ):
        print(f"parley: {sentence}", file=sys.stderr)
    return _run(options)


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _run(options: argparse.Namespace) -> int:  # noqa: PLR0911 - one for each command
    """Run the command that was chosen; each is imported only when it is used."""
    # ruff: noqa: PLC0415
    match options.command:
        case "up":
            return _up(options)
        case "doctor":
            from parley_cli.doctor import examine

            return asyncio.run(examine(options.profile, as_json=options.json))
        case "talk":
            from parley_cli.talk import talk

            return asyncio.run(
                talk(options.url or page_url(os.environ), options.file, out=options.out, as_json=options.json)
            )
        case "transcribe":
            from parley_cli.transcribe import transcribe

            return asyncio.run(transcribe(_server(options, ASR), options.file))
        case "chat":
            from parley_cli.chat import chat

            return asyncio.run(chat(_server(options, LLM), options.text))
        case "say":
            from parley_cli.say import say

            return asyncio.run(say(_server(options, TTS), options.text, options.out, options.voice))
        case "trace":
            return _trace(options)
        case "models":
            return _models(options)
        case "eval":
            return _evaluate(options)
        case _:
            return _bench(options)


def _up(options: argparse.Namespace) -> int:
    from parley_cli.up import up
    from parley_cli.up.members import Replicas
    from parley_cli.up.pulling import pull

    if options.pull:
        pull(options.profile, os.environ, yes=options.yes)
    return asyncio.run(up(options.profile, options.lan, Replicas(options.gateways, options.asr, options.tts)))


def _models(options: argparse.Namespace) -> int:
    from parley_cli.models.commands import pull, verify
    from parley_cli.models.hub import find_hub
    from parley_cli.models.listing import list_models
    from parley_cli.models.store import find_store

    hub = find_hub()
    store = find_store(hub.cache)
    match options.action:
        case "pull":
            return pull(hub, store, options.names, offline=options.offline)
        case "list":
            return list_models(store, os.environ, as_json=options.json)
        case _:
            return verify(store, options.names)


def _trace(options: argparse.Namespace) -> int:
    from parley_cli.trace import show, show_slowest

    # Who names a gateway wants no store that the environment names.
    tempo = options.tempo or ("" if options.url else os.environ.get("PARLEY_TEMPO_URL", "").strip())
    url = options.url or page_url(os.environ)
    if options.slowest is not None:
        return asyncio.run(show_slowest(url, tempo, options.slowest, as_json=options.json))
    return asyncio.run(show(url, tempo, options.turn, as_json=options.json))


def _bench(options: argparse.Namespace) -> int:
    from parley_cli.bench import Plan, bench

    plan = Plan(
        options.url or page_url(os.environ),
        options.sessions,
        options.seconds,
        options.silence_ms,
        options.head_start,
        interrupts=options.interrupt,
        pcm=options.pcm,
        silent=options.silent,
        pids=options.pids,
        processes=options.processes,
        cores=options.cores,
        ramp_seconds=options.ramp,
        arrives=options.arrive,
        seed=options.seed,
        every_packet=options.every_packet,
    )
    return asyncio.run(bench(plan, as_json=options.json))


def _evaluate(options: argparse.Namespace) -> int:
    from parley_cli.eval.run import Plan, compare, evaluate

    plan = Plan(options.clips, options.seed, options.share, options.parallel)
    url, server = options.url or page_url(os.environ), _server(options, TTS)
    if options.compare:
        return asyncio.run(compare(url, options.compare, server, plan, as_json=options.json))
    return asyncio.run(evaluate(url, server, plan, as_json=options.json))


def _server(options: argparse.Namespace, process: Process) -> str:
    return options.server or server_address(os.environ, process)


_PAGE = "address of the gateway's page (by PARLEY_GATEWAY_HOST and PARLEY_GATEWAY_PORT)"
_DISTRIBUTION = "parley-voice"
_PROFILES = ("embedded", "cpu", "gpu", "scripted")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parley", description="Talk with an AI by voice, on your own machines.")
    parser.add_argument("--version", action="version", version=f"parley {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    _add_up(commands)
    _add_doctor(commands)
    _add_models(commands)

    talk = commands.add_parser("talk", help="speak a recording to the gateway, as the browser would")
    talk.add_argument("file", nargs="?", help="any audio file; without it, a recording that comes with Parley")
    talk.add_argument("--url", help=_PAGE)
    talk.add_argument("--out", metavar="WAV", help="write what a listener would have heard")
    talk.add_argument("--json", action="store_true", help="print one JSON object for each turn")

    _add_trace(commands)

    transcribe = commands.add_parser("transcribe", help="send a recording to the ASR server alone")
    transcribe.add_argument("file", help="any audio file")
    transcribe.add_argument("--server", help="the ASR server, host:port (by the variables, as for the gateway)")

    chat = commands.add_parser("chat", help="ask the LLM server alone")
    chat.add_argument("text", help="what to say")
    chat.add_argument("--server", help="the LLM server, host:port (by the variables, as for the gateway)")

    say = commands.add_parser("say", help="have the TTS server alone speak a text")
    say.add_argument("text", help="what to speak")
    say.add_argument("--out", required=True, metavar="WAV", help="file to write")
    say.add_argument("--voice", default="", help="name of a voice")
    say.add_argument("--server", help="the TTS server, host:port (by the variables, as for the gateway)")

    _add_bench(commands)
    _add_eval(commands)
    return parser


def _add_up(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    up = commands.add_parser("up", help="start the three model servers and the gateway, and print the page's address")
    up.add_argument("--profile", choices=_PROFILES, default=_PROFILES[0], help="engines to use (embedded)")
    up.add_argument(
        "--lan",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="also serve the page to phones and computers in this network, over HTTPS, at this machine's ADDRESS there",
    )
    up.add_argument(
        "--gateways",
        type=one_or_more,
        default=1,
        metavar="N",
        help="gateways on one port, which share sessions; one uses one core at most (1)",
    )
    for server in ("asr", "tts"):
        up.add_argument(
            f"--{server}",
            type=one_or_more,
            default=1,
            metavar="N",
            help=f"{server.upper()} servers, among which gateways choose; each has its model in memory (1)",
        )
    up.add_argument(
        "--pull", action="store_true", help="first fetch the models that the profile names and that are not here"
    )
    up.add_argument("--yes", action="store_true", help="agree to what --pull is to fetch, without being asked")


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser("doctor", help="look for what would keep Parley from working, and say what to do")
    doctor.add_argument(
        "--profile", choices=_PROFILES, default=_PROFILES[0], help="engines that are to be used (embedded)"
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object")


def _add_trace(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    trace = commands.add_parser("trace", help="show where the time of a turn went, and what to look at first")
    which = trace.add_mutually_exclusive_group()
    which.add_argument(
        "turn", nargs="?", default="last", metavar="TURN", help="last (the default), a turn's number, or a trace's id"
    )
    which.add_argument("--slowest", type=one_or_more, metavar="N", help="list the N slowest turns instead")
    trace.add_argument("--tempo", metavar="URL", help="ask the Tempo there (PARLEY_TEMPO_URL) and not the gateway")
    trace.add_argument("--url", help=_PAGE)
    trace.add_argument("--json", action="store_true", help="print one JSON object for each turn")


def _version() -> str:
    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "of a folder that was not installed"


def _add_models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    models = commands.add_parser("models", help="fetch models, and see which are here and whether they are whole")
    actions = models.add_subparsers(dest="action", required=True, metavar="ACTION")
    examples = "whisper:small, llm:Qwen/Qwen3-0.6B, piper:en_US-lessac-medium, turn:OWNER/REPOSITORY:FILE"
    pull = actions.add_parser("pull", help="fetch models, go on where it broke off, and repair what is corrupted")
    pull.add_argument("names", nargs="+", metavar="NAME", help=examples)
    pull.add_argument("--offline", action="store_true", help="fetch nothing, and say what is missing")
    listed = actions.add_parser("list", help="say which models are here, where, and which settings use them")
    listed.add_argument("--json", action="store_true", help="print one JSON array")
    verify = actions.add_parser("verify", help="compare files with the hub's checksums; status 1 if one is not whole")
    verify.add_argument("names", nargs="*", metavar="NAME", help=f"all that are here, or some: {examples}")


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bench = commands.add_parser("bench", help="hold many sessions at once with a gateway of the scripted profile")
    bench.add_argument("--url", help=_PAGE)
    bench.add_argument("--sessions", type=one_or_more, default=10, help="sessions at once (10)")
    bench.add_argument("--seconds", type=seconds, default=30.0, help="how long (30)")
    bench.add_argument(
        "--ramp", type=seconds, default=0.0, help="before that, seconds in which they begin, untold (none)"
    )
    bench.add_argument("--arrive", action="store_true", help="open them as they begin, and count who is refused")
    bench.add_argument("--head-start", action="store_true", help="let replies begin before a turn is surely over")
    bench.add_argument("--silence-ms", type=one_or_more, default=300, help="silence that is to end every turn (300)")
    bench.add_argument("--interrupt", type=share, default=0.0, help="part of the replies to speak into, up to 1 (none)")
    bench.add_argument("--silent", type=share, default=0.0, help="part of the sessions to say nothing, up to 1 (none)")
    bench.add_argument("--pcm", action="store_true", help="send and take PCM, at 16 and 24 kHz, instead of Opus")
    bench.add_argument(
        "--every-packet",
        action="store_true",
        help="send silent packets too, which the page leaves out (with PCM: always)",
    )
    bench.add_argument(
        "--pids", type=pids, default=(), metavar="N[,N]", help="processes to measure (gateway and servers, by metrics)"
    )
    bench.add_argument(
        "--processes", type=one_or_more, default=0, help="processes that hold the sessions (as many as they need)"
    )
    bench.add_argument("--cores", type=cores, default=(), metavar="N[,N]", help="cores that these keep to (any)")
    bench.add_argument("--seed", type=int, help="say the same as other runs of this seed (chance)")
    bench.add_argument("--json", action="store_true", help="print one JSON object")


def _add_eval(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    judged = commands.add_parser("eval", help="hold conversations of a known course, and judge the turn-taking")
    judged.add_argument("--url", help=_PAGE)
    judged.add_argument("--compare", metavar="URL", help="another Parley's page: hold each conversation with both")
    judged.add_argument("--clips", metavar="DIR", help="recordings NAME.flac with their words in NAME.txt")
    judged.add_argument("--server", help="the TTS server, host:port (by the variables, as for the gateway)")
    judged.add_argument("--seed", type=int, default=1, help="another set of scenes (1)")
    judged.add_argument("--share", type=share, default=1.0, help="part of the standard set to hold, up to 1 (1)")
    judged.add_argument("--parallel", type=one_or_more, default=1, help="conversations at once (1)")
    judged.add_argument("--json", action="store_true", help="print one JSON object")
