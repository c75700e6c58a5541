"""Finished runs as programs for elsewhere: torch.export and ONNX."""
