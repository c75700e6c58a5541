"""Colours of people in pictures that have no theme."""

# A person's left is blue and their right red; "" is the middle.
SIDE_COLOURS = {"left": "#2e6f95", "right": "#d1495b", "": "#3d3d3d"}
