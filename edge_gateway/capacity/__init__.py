"""How much a gateway and its servers can carry: `PARLEY_MAX_SESSIONS=auto`.

    lateness     how late the gateway's event loop came to its timers
    control      by that, who comes in, who waits and who is refused
    path         the same by how much each part has to do that a session needs
    newcomers    of whom nobody knows yet what they cost, so that a rush comes in only as far as it can be borne
    estimate     how many there may be, for people and autoscalers
    calibration  what a session will cost on this machine, before one has come

All but the last are pure: time comes as an argument.
"""
