"""How often the threads of this process gave their core away, or lost it: the price of many small steps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from collections.abc import Iterator


class SwitchesCollector(Collector):
    """`process_context_switches_total`, read when it is asked for; nothing on systems that do not count them."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The two kinds: waiting for something, and being put off the core."""
        if sys.platform == "win32":
            return
        used = resource.getrusage(resource.RUSAGE_SELF)
        family = CounterMetricFamily(
            "process_context_switches", "Context switches of all threads of the process.", labels=["kind"]
        )
        family.add_metric(["voluntary"], used.ru_nvcsw)
        family.add_metric(["involuntary"], used.ru_nivcsw)
        yield family
