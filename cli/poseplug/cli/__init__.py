"""poseplug.cli: the command line. It parses, assembles and shows; it holds no maths and no training code."""
