"""What is done with a text before it is spoken: normalized, cut into pieces, its words marked. Knows no engine."""
