"""`parley up`: starts the three model servers and the gateway as processes, keeps them running, and stops them.

    profiles      which engines a profile uses; the environment of the processes, with huge_pages for their memory
    checks        what would keep them from starting
    language_model    who writes the replies: discovery of a server on this machine (PURE: model_list), or llamacpp, a
                  model's file that is served here
    members       which processes, how many of each, and what each is told
    supervision   PURE: whether and when a process that ended is started again
    child         one process; what it says is heard by last_words
    house         all of them
    lan           the page for other devices in the network, over HTTPS; its certificate
    terminal      where the user reads all that

A process ends with its parent, however that went: it has a lifeline (`serving.lifeline`).
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Final

from parley._binding import is_for_all
from parley.errors import ParleyError
from parley_cli.processes import GATEWAY, https_url, page_url
from parley_cli.up.checks import check, check_own_ports
from parley_cli.up.house import House
from parley_cli.up.lan import open_lan
from parley_cli.up.language_model import choose
from parley_cli.up.members import Replicas, members_of, own_addresses
from parley_cli.up.profiles import environment_of
from parley_cli.up.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["up"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def up(profile: str, lan: str | None = None, replicas: Replicas | None = None) -> int:
    """Start everything, print the page's address, and wait for Ctrl-C, SIGTERM or the end of the terminal.

    A second signal ends all of it at once, without waiting for conversations.

    `replicas` says how many of each process there are; None: one.
    `lan` is the address at which the network is to reach the page, "" to find it out, None for none.
    Returns 0; 1 when something could not start, which is told on standard error.
    """
    stop, hurry, terminal = asyncio.Event(), asyncio.Event(), Terminal.find()

    def told_to_stop() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in _SIGNALS:
        # Under nohup the end of the terminal is ignored, and is to be.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, told_to_stop)
    try:
        environment, told = await _prepare(profile)
        network = open_lan(lan, environment) if lan is not None else None
        if network is not None:
            environment.update(network.settings(environment))
        members = members_of(environment, replicas or Replicas())
        check_own_ports(members)

        def listening() -> None:
            url = page_url(environment).replace("//127.0.0.1:", "//localhost:")
            terminal.say(f"Parley is listening: open {url} (Ctrl-C stops it)")
            if own := own_addresses(members):
                terminal.say(
                    f"{len(own)} gateways share it; each has /metrics and /status of its own: {', '.join(own)}"
                )
            if told:
                terminal.say(told)
            if network is not None:
                network.announce(terminal)
            else:
                _tell_others(environment, terminal)

        await House(members, terminal, stop, hurry).run(listening)
    except ParleyError as error:
        terminal.tell(str(error))
        return 1
    return 0


def _tell_others(environment: Mapping[str, str], terminal: Terminal) -> None:
    """How other machines would open the page, where they could."""
    if environment.get("PARLEY_HTTPS_CERTIFICATE"):
        terminal.say(f"Over HTTPS: open {https_url(environment)}")
    elif is_for_all(GATEWAY.host(environment)):
        terminal.say(
            "Other machines may open it by names in PARLEY_ALLOWED_HOSTS; their browsers give it no microphone "
            "without HTTPS: `parley up --lan` does both."
        )


async def _prepare(profile: str) -> tuple[dict[str, str], str]:
    """The environment of the processes, and what the user is told of who writes.

    Raises:
        ParleyError: something would keep them from starting.
    """
    environment = environment_of(profile, os.environ)
    await check(environment)
    writes = await choose(os.environ, environment)
    return {**environment, **writes.settings}, writes.told
