"""Data: the batch of poses that every component sees, and 2D normalisations."""
