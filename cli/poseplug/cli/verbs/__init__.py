"""One verb of the command line in each file."""
