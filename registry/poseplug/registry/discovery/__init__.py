"""Discovery: which plugins there are, what they register, and whose mistake an error is."""
