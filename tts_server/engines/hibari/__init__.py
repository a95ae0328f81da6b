"""Hibari: one neural voice for English, small enough for any processor; espeak speaks what it has no sounds for."""
