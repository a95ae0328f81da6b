"""When turns begin and end: by voice and silence, by the words, and by how this speaker pauses."""
