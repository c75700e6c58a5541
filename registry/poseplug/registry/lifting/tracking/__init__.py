"""People over time: who is who, their joints, gaps and trembling."""
