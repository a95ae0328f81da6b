"""The ASR server: hears a session's microphone and gives its turns as text."""
