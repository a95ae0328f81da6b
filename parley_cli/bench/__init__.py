"""`parley bench`: many listeners at once, each in real time, against a gateway of the scripted profile.

Every listener speaks a tone, falls silent, waits for the reply and hears it out, over and over. What is measured is
what Parley adds to the silence that it is asked to wait for: from the moment a listener sends the packet with the
sample at which the server decided that the turn was over, to the moment the first packet of the reply arrives. The
server says which sample that was (`TurnReport.decided_sample`), and the session sets every silence that ends a turn, so
nothing here knows of detectors, windows, codecs or messages. Every turn is measured or counted by a reason.

Start the servers with `parley up --profile scripted`, whose engines take no time; to load one core, put them there
with `taskset`, and the bench on another.
"""

from __future__ import annotations

from parley_cli.bench.run import Plan, bench

__all__ = [
    "Plan",
    "bench",
]
