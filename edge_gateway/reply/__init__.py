"""One reply after the other: what the model is told, its words, its sound, and how far it was heard."""
