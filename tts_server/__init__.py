"""The TTS server: speaks replies as their text comes. Knows nothing of listeners or of who wrote the text."""
