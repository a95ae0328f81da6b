"""How a process of Parley starts, is seen, and stops. Knows no service by name."""
