"""What the readers of licensed data sets share, and the parts of each."""
