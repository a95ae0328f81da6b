"""Messages and stubs of the wire, generated from protos/parley/v1 by protos/generate.py. Never edit."""
