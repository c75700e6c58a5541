"""Volumes of voxels: where they are, what images say of them, and the network that looks at them."""
