"""Frames as scenes: models that see everybody in an image at once, or find them there themselves."""
