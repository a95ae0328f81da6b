"""How many messages went over the streams that gateways share, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serving.multiplex import Traffic


class TrafficCollector(Collector):
    """`parley_stream_messages_total`, read when it is asked for: counting is an addition."""

    def __init__(self, traffic: Traffic) -> None:
        """Tell of `traffic`."""
        self._traffic = traffic

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Both directions."""
        family = CounterMetricFamily(
            "parley_stream_messages", "Messages of streams that carry many calls.", None, ["direction"]
        )
        family.add_metric(["received"], self._traffic.received)
        family.add_metric(["sent"], self._traffic.sent)
        yield family
