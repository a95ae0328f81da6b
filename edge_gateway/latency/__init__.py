"""Where the time of a turn went, on one clock, and how well the end of the turn was found."""
