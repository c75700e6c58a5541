"""A format of key points in each file."""
