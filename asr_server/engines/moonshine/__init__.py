"""Moonshine through onnxruntime."""
