"""`parley doctor`: looks for what would keep Parley from working, and says what to do about it.

    findings    PURE: what was found, and how it is said
    settings    variables, packages, and what each server says of its settings
    engines     whether they are installed, and have a model
    ports       whether they are free, or who has them
    models      whether the models are here that the settings name
    network     the endpoint that writes, or one that would be found, the page, the proxy

It changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

from parley.errors import InvalidInput
from parley_cli.doctor.engines import look_at_engines
from parley_cli.doctor.findings import as_object, is_well, lines
from parley_cli.doctor.models import look_at_models
from parley_cli.doctor.network import look_at_endpoint, look_at_page, look_at_proxy, look_for_model
from parley_cli.doctor.ports import look_at_ports
from parley_cli.doctor.settings import look_at_servers, look_at_variables
from parley_cli.up.profiles import PROFILES, environment_of

if TYPE_CHECKING:
    from collections.abc import Mapping

from parley_cli.doctor.findings import Finding

__all__ = ["examine"]


async def examine(profile: str, *, as_json: bool) -> int:
    """Look at everything that `parley up` with this profile would need, and print it; 1 when something is wrong."""
    findings = await _examine(profile, os.environ)
    print(json.dumps(as_object(findings), indent=1) if as_json else "\n".join(lines(findings)))
    return 0 if is_well(findings) else 1


async def _examine(profile: str, environment: Mapping[str, str]) -> list[Finding]:
    findings = list(look_at_variables(environment))
    try:
        given = environment_of(profile, environment)
    except InvalidInput:
        # A port is none, which the variables have told; without it there is no Parley to look for.
        given = {**PROFILES[profile], **environment}
        networked = [look_at_endpoint(given)]
    else:
        networked = [
            look_at_ports(given),
            look_at_endpoint(given),
            look_for_model(environment, given),
            look_at_page(given),
        ]
    async with asyncio.TaskGroup() as tasks:
        servers = tasks.create_task(look_at_servers(given))
        looks = [tasks.create_task(look) for look in networked]
        proxy = tasks.create_task(look_at_proxy(environment))
    known = {finding.what for finding in findings}
    findings += [finding for finding in servers.result() if finding.what not in known]
    findings += look_at_engines(given)
    findings += [finding for look in looks for finding in look.result()]
    return [*findings, *look_at_models(given), *proxy.result()]
