"""Grids: every combination of parts and settings, for every seed, as one table of results."""
