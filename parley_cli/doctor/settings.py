"""Variables that nothing reads or that hold no port, packages, and what each server says of its own settings."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from parley._binding import port_of
from parley._variables import PORTS, SUPERVISED, unknown
from parley.errors import InvalidInput
from parley_cli.doctor.findings import Finding, State
from parley_cli.processes import PROCESSES
from parley_cli.up.checks import lacks_packages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from parley_cli.processes import Process

# The argument with which a server only looks whether it could start (`serving.grpc_server.CHECK`).
_CHECK: Final = "--check"
# Large packages are slow to import on a slow disk.
_PATIENCE_SECONDS: Final = 60.0


def look_at_variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with the variables, as far as that can be said without the servers."""
    for sentence in unknown(environment):
        what, _, remedy = sentence.partition(": ")
        yield Finding("settings", State.WRONG, what, remedy)
    for variable in PORTS:
        try:
            port_of(environment, variable)
        except InvalidInput as error:
            yield Finding("settings", State.WRONG, str(error), "give a port from 1 to 65535, or unset it")


async def look_at_servers(environment: Mapping[str, str]) -> list[Finding]:
    """What each server would say of its settings, and of its packages, if it were started."""
    async with asyncio.TaskGroup() as tasks:
        looks = [tasks.create_task(_look(process, environment)) for process in PROCESSES]
    findings = [look.result() for look in looks]
    wrong = {finding.what: finding for finding in findings if finding.state is State.WRONG}
    if wrong:
        return list(wrong.values())
    return [Finding("settings", State.FINE, "the gateway and the three servers can use their settings")]


async def _look(process: Process, environment: Mapping[str, str]) -> Finding:
    if lacks_packages(process):
        what = f"what {process.module} needs is not installed"
        return Finding("packages", State.WRONG, what, "pip install '.[all]' in the folder of Parley")
    # Nothing that was started holds its standard input.
    given = {name: value for name, value in environment.items() if name != SUPERVISED}
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", process.module, _CHECK),
        env=given,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            _, errors = await server.communicate()
    except TimeoutError:
        server.kill()
        await server.wait()
        return Finding("packages", State.WRONG, f"{process.module} does not come to its settings", "look at the disk")
    if not server.returncode:
        return Finding("settings", State.FINE, process.module)
    last = (errors.decode(errors="replace").strip().splitlines() or [""])[-1]
    said = last.partition(": ")[2] if server.returncode == 2 else last  # noqa: PLR2004 - what the user has to mend
    remedy = "set the variable otherwise" if server.returncode == 2 else f"python -m {process.module} shows it all"  # noqa: PLR2004 - as above
    return Finding("settings", State.WRONG, said or f"{process.module} ended with status {server.returncode}", remedy)
