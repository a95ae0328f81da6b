"""How much a gateway and its servers can carry: `PARLEY_MAX_SESSIONS=auto`.

    lateness  how late the gateway's event loop came to its timers
    control   by that, who comes in, who waits and who is refused
    path      the same by how much each part has to do that a session needs
    estimate  how many there may be, for people and autoscalers

All are pure: time comes as an argument.
"""
