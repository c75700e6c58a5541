"""What components of all kinds promise."""
