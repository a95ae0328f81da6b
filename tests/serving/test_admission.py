"""How many calls a server takes at once."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Gauge

from parley.errors import Overloaded
from serving.admission import Slots


class Counted:
    """Two slots, and what is shown of them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.slots = Slots(2, Gauge("active", "", registry=self._registry), "streams", retry_after_ms=700)

    @property
    def shown(self) -> float | None:
        return self._registry.get_sample_value("active")


def test_one_more_than_the_limit_is_refused_with_the_time_to_come_again() -> None:
    counted = Counted()
    with counted.slots.take(), counted.slots.take():
        with pytest.raises(Overloaded, match="all 2 streams are taken") as caught, counted.slots.take():
            pytest.fail("a third was let in")
        assert counted.shown == 2
    assert caught.value.retry_after_ms == 700
    assert counted.shown == 0


def test_a_slot_is_free_again_however_its_call_ended() -> None:
    counted = Counted()
    for _ in range(3):
        with pytest.raises(RuntimeError), counted.slots.take(), counted.slots.take():
            raise RuntimeError
    with counted.slots.take():
        assert counted.shown == 1
