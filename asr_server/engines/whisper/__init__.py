"""Whisper through CTranslate2."""
