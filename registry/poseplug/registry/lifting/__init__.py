"""Key points in, poses out: a finished run put to use."""
