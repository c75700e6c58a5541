"""Networks that say where people are: VirtualPose's own, which search, and the baselines, which are told whom."""
