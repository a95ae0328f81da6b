"""The model servers behind one gateway: which there are, how they are, and which of them is asked next."""
