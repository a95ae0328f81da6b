"""The LLM server: writes replies, a piece at a time."""
