"""One verb of the command line in each file; ``poseplug.cli.main`` lists them."""
