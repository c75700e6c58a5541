"""Cameras that saw the key points, and how the lifter is shown them."""
