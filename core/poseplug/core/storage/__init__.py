"""Storage: files that appear whole or not at all, checkpoints, run directories, experiments."""
