"""The microphone's way to the words: packets in, events of the ASR server out, and nothing lost in between."""
