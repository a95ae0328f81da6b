"""Several gateways on one port: each is its own process, and takes as many sessions as any other.

    board     PURE but for its file: what each gateway has at the moment, and whose turn the next connection is
    handover  a connection goes from the gateway that has accepted it to the one whose turn it is
    arrivals  connections that nobody knows yet whether they become sessions
    doorway   all that together: a port that is shared

The kernel spreads connections over the listeners of a port (SO_REUSEPORT) by a hash of their addresses, which is
chance: of forty, two gateways get 20 give or take 3 (one standard deviation); and it sends some to one that stops.
"""
