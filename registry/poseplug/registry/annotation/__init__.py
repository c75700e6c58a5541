"""``poseplug data annotate``: people in images, their joints in 2D and in 3D, by hand and with a lifter's help."""
