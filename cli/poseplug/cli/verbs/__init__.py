"""One verb in each file, or folder where it has verbs of its own; ``poseplug.cli.main`` lists them."""
