"""Conversations with a known course, held with a running Parley, and how well it took its turns in them."""
