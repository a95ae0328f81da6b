"""Whether a second gateway carries as much as the first: N sessions on one gateway against N on each of two.

    PYTHONPATH=. python benchmarks/gateways.py [--sessions 20] [--seconds 20] [--pairs 2] [--servers 0] [--clients 1]

The servers are the same for all. Told are, for one gateway alone and for each of two, its processor time for one minute
of a session, and own delay; in turn, one, two, two, one. Where both gateways share a core, each takes time from the
other: own delay tells of the core then, and processor time is what to compare. With --servers all of Parley keeps to
those cores, and the bench to --clients.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
from typing import TYPE_CHECKING, Any

from benchmarks.benching import bench, second_gateway
from parley_cli.processes import GATEWAY
from tests.end_to_end.whole import open_house

if TYPE_CHECKING:
    from tests.end_to_end.whole import House


async def held(houses: list[House], given: argparse.Namespace) -> list[dict[str, Any]]:
    """The figures of each gateway, all at the same time."""
    arguments = ["--sessions", str(given.sessions), "--seconds", str(given.seconds)]
    if given.clients:
        arguments += ["--cores", given.clients]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(bench(house, *arguments)) for house in houses]
    return [each.result() for each in running]


def tell(what: str, found: list[dict[str, Any]], given: argparse.Namespace) -> float:
    """Print what gateways had; gives their processor seconds for one minute of a session."""
    costs: list[float] = [
        float(each["processes"][GATEWAY.module]["cpu_percent"]) * 0.6 / given.sessions for each in found
    ]
    for each, cost in zip(found, costs, strict=True):
        p50, p99 = each["own_delay_p50_ms"], each["own_delay_p99_ms"]
        print(f"{what:<12} gateway {cost:.3f} s a session-minute, own delay p50 {p50:.1f} p99 {p99:.1f} ms", flush=True)
    return sum(costs) / len(costs)


async def main() -> None:
    """Read the arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--servers", default="")
    parser.add_argument("--clients", default="")
    given = parser.parse_args()
    usual = os.sched_getaffinity(0)
    if given.servers:
        # Whatever is started keeps to them.
        os.sched_setaffinity(0, {int(core) for core in given.servers.split(",")})
    everybody = {"PARLEY_MAX_SESSIONS": "1000"}
    alone, both = list[float](), list[float]()
    async with open_house("scripted", **everybody) as first, second_gateway(first, **everybody) as second:
        # The bench takes its own.
        os.sched_setaffinity(0, usual)
        for pair in range(given.pairs):
            for count in (1, 2) if pair % 2 == 0 else (2, 1):
                found = await held([first, second][:count], given)
                (alone if count == 1 else both).append(tell(f"{count} gateway{'s' * (count - 1)}", found, given))
    print(f"processor time of two over one: {statistics.median(both) / statistics.median(alone):.3f}")


if __name__ == "__main__":
    asyncio.run(main())
