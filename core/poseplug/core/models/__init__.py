"""Models: a lifter with its input, output and root estimator, and what fast networks are made of."""
