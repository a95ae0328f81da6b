"""What is done to a stream's sound before anybody listens to it: a high-pass filter, and gain for soft speakers."""
