"""Speech that is kept to be said again: in memory, and in a Redis that several servers share."""
