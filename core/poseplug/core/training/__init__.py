"""Training: the loop, its steps, what is trained when, several seeds at once."""
