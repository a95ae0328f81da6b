"""The process: goes round the pods, and answers for its health, until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from parley._variables import LOOPBACK
from parley.errors import InvalidInput
from serving.config import ConfigError, log_level
from serving.deletion_cost.api import ACCOUNT, Api
from serving.deletion_cost.rounds import Rounds
from serving.log_lines import configure_logging

if TYPE_CHECKING:
    from collections.abc import Sequence

_SECONDS: Final = 15.0
_PORT: Final = 9104


def main() -> None:
    """Read what is asked, and start; exit status 2 for what the user must mend."""
    given = arguments(sys.argv[1:])
    try:
        level = log_level(os.environ)
        api = Api.of(os.environ, given.account)
    except (ConfigError, InvalidInput) as error:
        sys.stderr.write(f"deletion-cost: {error}\n")
        sys.exit(2)
    configure_logging("deletion-cost", level)
    asyncio.run(serve(Rounds(api, given.names, given.seconds), given.host, given.port))


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """What the command is told."""
    parser = argparse.ArgumentParser(
        prog="python -m serving.deletion_cost",
        description="Have Kubernetes take idle pods away first: keeps their pod-deletion-cost true. Runs in a pod.",
    )
    parser.add_argument("names", nargs="+", help="values of the label app.kubernetes.io/name of the pods to look at")
    parser.add_argument("--seconds", type=_seconds, default=_SECONDS, help="from one look to the next (default: 15)")
    parser.add_argument("--host", default=LOOPBACK, help="address of the health check (default: %(default)s)")
    parser.add_argument("--port", type=int, default=_PORT, help="port of the health check (default: %(default)s)")
    parser.add_argument("--account", type=Path, default=ACCOUNT, help="folder of the service account")
    return parser.parse_args(words)


async def serve(rounds: Rounds, host: str, port: int) -> None:
    """Go round until a signal comes; `/livez` answers as long as the process runs, `/readyz` while the API answers.

    What is alive and not ready is not restarted: that would not bring the API back.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    runner = web.AppRunner(health(rounds), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await rounds.run(stopping)
    finally:
        await runner.cleanup()


def health(rounds: Rounds) -> web.Application:
    """What answers for it."""

    async def live(request: web.Request) -> web.Response:
        del request
        return web.Response(text="ok\n")

    async def ready(request: web.Request) -> web.Response:
        del request
        return web.Response(text="ok\n") if rounds.is_fresh else web.Response(status=503, text="no pods were listed\n")

    app = web.Application()
    app.add_routes([web.get("/livez", live), web.get("/readyz", ready)])
    return app


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 1 <= seconds <= 3600:  # noqa: PLR2004 - a second to an hour
        raise argparse.ArgumentTypeError(f"{text}: not between 1 and 3600")
    return seconds


if __name__ == "__main__":
    main()
