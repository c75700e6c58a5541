"""Where people's roots are: depth maps, voxels, and the paper's baselines."""
