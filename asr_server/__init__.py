"""The ASR server: finds the turns in a session's microphone, and transcribes them."""
