"""What `/metrics` tells of each server behind a gateway. A server that is forgotten is in the next scrape no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from edge_gateway.servers.standing import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

    from edge_gateway.servers.connect import Pools


class ServerMetrics(Collector):
    """Looks at the pools whenever somebody asks: there are as many series as there are servers, 128 of each at most."""

    def __init__(self, pools: Pools, registry: CollectorRegistry) -> None:
        """Tell of `pools` to who asks `registry`."""
        self._pools = pools
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The servers as they are now."""
        active = GaugeMetricFamily(
            "parley_server_calls_active", "Calls of this gateway to a server now.", None, ["service", "address"]
        )
        serving = GaugeMetricFamily(
            "parley_server_serving", "1 where a server takes calls, else 0.", None, ["service", "address"]
        )
        for pool in self._pools.all:
            for server in pool.servers:
                active.add_metric((pool.hop, server.address), server.load)
                serving.add_metric((pool.hop, server.address), float(server.standing.state is State.SERVING))
        yield active
        yield serving
