"""Codecs: libopus, and PCM as it is."""
