"""The gateway's process: `python -m edge_gateway`."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from edge_gateway.admission import Admission
from edge_gateway.audio.codecs import Codecs
from edge_gateway.audio.libopus import Libopus, find_libopus
from edge_gateway.backends import Backends
from edge_gateway.capacity.calibration import RATE_HZ, session_cost
from edge_gateway.capacity.path import PartLoad
from edge_gateway.config import GatewayConfig
from edge_gateway.directory import Directory
from edge_gateway.latency.turn_metrics import TurnMetrics
from edge_gateway.reply.reply import Servers
from edge_gateway.servers.connect import Addresses, open_pools
from edge_gateway.servers.metrics import ServerMetrics
from edge_gateway.sharing.board import BOARD, gateways_on
from edge_gateway.sharing.doorway import Doorway
from edge_gateway.sharing.handover import meeting_place
from edge_gateway.status.routes import Sources, add_status
from edge_gateway.status.server_facts import ServerFacts, servers_of
from edge_gateway.status.turn_log import TurnLog
from edge_gateway.transports.access import Access
from edge_gateway.transports.forwarded import TrustedProxies
from edge_gateway.transports.grpc_stream import ConversationServicer
from edge_gateway.transports.http_log import http_log
from edge_gateway.transports.page_facts import add_facts
from edge_gateway.transports.sites import open_own_site, open_sites, shared_ports
from edge_gateway.transports.status_access import StatusAccess
from edge_gateway.transports.trace_link import trace_link
from edge_gateway.transports.voice_preview import add_voice_preview
from edge_gateway.transports.web_app import ARRIVALS, new_app
from parley.conversation import SERVICE, AudioFormat, Encoding
from parley.v1.conversation_pb2_grpc import add_ConversationServiceServicer_to_server
from serving.config import ConfigError
from serving.grpc_server import Listen, run, serve
from serving.load import measured_load
from serving.loop_timer import loop_timer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from edge_gateway.servers.connect import Pools
    from edge_gateway.sharing.board import Row
    from serving.load import Load
    from serving.telemetry import Telemetry

_MAX_MESSAGE_BYTES = 64 * 1024
_FAREWELL_SECONDS = 1.0


async def main(config: GatewayConfig, telemetry: Telemetry) -> None:
    """Open the channels, the page and the gRPC service, and run until told to stop."""
    async with AsyncExitStack() as stack:
        log = TurnLog()
        addresses = Addresses(config.asr, config.llm, config.tts)
        pools = await stack.enter_async_context(open_pools(addresses, tls=config.tls))
        ServerMetrics(pools, telemetry.registry)
        backends = _backends(pools, config, telemetry, log)
        limit = config.session_limit
        admission = Admission(backends, limit, _session_cost(backends.codecs) if limit is None else 0.0)
        proxies = _proxies(config)
        app = new_app(admission, telemetry.registry, Access(config.host, config.known_hosts, config.origins), proxies)
        servers = ServerFacts(lambda: servers_of(pools))
        status_access = StatusAccess(config.status)
        add_facts(app, backends.directory, _trace_link(config), status_access)
        add_voice_preview(app, backends.servers.tts)
        add_status(app, Sources(admission, servers, log, _gateways(config)), status_access)
        runner = web.AppRunner(app, logger=http_log(), access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)

        async def load() -> None:
            await stack.enter_async_context(_opened(runner, config, admission))
            # Not before: what a gateway does until it serves holds up nobody.
            stack.enter_context(_watched(admission, pools))

        async def drain() -> None:
            await admission.drain(config.drain_seconds)

        servicer = ConversationServicer(admission, proxies)
        await serve(
            SERVICE,
            lambda server: add_ConversationServiceServicer_to_server(servicer, server),
            _listen(config),
            load=load,
            telemetry=telemetry,
            drain=drain,
        )


@contextmanager
def _watched(admission: Admission, pools: Pools) -> Iterator[None]:
    """Tell `admission` in this block how much there is to do."""

    def look(load: Load) -> None:
        # How late the loop is, it is told more often.
        own = PartLoad("gateway", load.busy)
        admission.look(asyncio.get_running_loop().time(), [own, *pools.work])

    def timer(now: float, late_seconds: float) -> None:
        admission.timer(now, late_seconds, time.thread_time())

    with measured_load(look), loop_timer(lambda: admission.period_seconds, timer) as admission.hasten:
        yield


def _session_cost(codecs: Codecs) -> float:
    """What a session is thought to take of a core before one has come."""
    encoder = codecs.encoder_factory(AudioFormat(Encoding.OPUS, RATE_HZ))
    return session_cost(codecs.decoder_factory(None)(), encoder())


def _listen(config: GatewayConfig) -> Listen:
    return Listen(
        config.host,
        config.grpc_port,
        "PARLEY_GATEWAY_GRPC_PORT",
        0,
        # Sessions are ended by the admission, which tells their clients; calls have a moment more to hear of it.
        config.drain_seconds + _FAREWELL_SECONDS,
        _MAX_MESSAGE_BYTES,
        config.edge_tls,
        shares_port=config.reuse_port,
    )


@asynccontextmanager
async def _opened(runner: web.AppRunner, config: GatewayConfig, admission: Admission) -> AsyncIterator[None]:
    """The ports of the page in this block."""
    async with AsyncExitStack() as stack:
        if config.reuse_port:
            folder = meeting_place(os.environ, config.host, config.port)
            assert runner.server is not None  # noqa: S101 - it was set up
            doorway = Doorway(
                folder, runner.server, runner.app[ARRIVALS], lambda: admission.standing, config.metrics_port
            )
            await stack.enter_async_context(doorway.open(shared_ports(config)))
        else:
            await open_sites(runner, config)
        await open_own_site(runner, config)
        yield


def _gateways(config: GatewayConfig) -> Callable[[], Sequence[Row]]:
    """Gives all gateways on this one's port, where it shares one."""
    if not config.reuse_port:
        return tuple
    board = meeting_place(os.environ, config.host, config.port) / BOARD
    return lambda: gateways_on(board, time.monotonic())


def _trace_link(config: GatewayConfig) -> str:
    try:
        return trace_link(config.trace_url, config.grafana_url)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _proxies(config: GatewayConfig) -> TrustedProxies:
    try:
        return TrustedProxies(config.trusted_proxies)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _backends(pools: Pools, config: GatewayConfig, telemetry: Telemetry, log: TurnLog) -> Backends:
    """What all sessions share; turns that are over are put into `log`."""
    servers = Servers(pools.writes, pools.speaks)
    return Backends(
        pools.listens,
        servers,
        Directory(pools.listens, servers),
        Codecs(Libopus(find_libopus(os.environ.get("PARLEY_LIBOPUS", "")))),
        TurnMetrics(telemetry, log),
        config.instructions,
        config.lead_ms,
        config.tool_filler,
    )


if __name__ == "__main__":
    run("gateway", GatewayConfig, main)
