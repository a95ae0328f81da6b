"""How much a gateway can carry, by how late its event loop comes to timers: `PARLEY_MAX_SESSIONS=auto`."""
