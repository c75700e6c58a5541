"""Grids: many runs as one labelled array of results."""
