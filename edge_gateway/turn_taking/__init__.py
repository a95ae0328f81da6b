"""Who has the floor: pure decisions, which take events and the time and give actions."""
