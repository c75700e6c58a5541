"""Sources made of other things: tables in memory, mixtures, other views."""
