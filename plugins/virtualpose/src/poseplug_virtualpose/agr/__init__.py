"""Abstract geometry: maps of where joints are and how large people are, drawn, made noisy, and read again."""
