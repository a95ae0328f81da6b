"""What models in our own process share: templates, the length of conversations, what they write between words."""
