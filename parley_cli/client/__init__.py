"""A listener with a microphone and a loudspeaker, as the gateway meets one: what the command line talks with."""
