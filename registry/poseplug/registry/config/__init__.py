"""Configuration: from text and TOML to checked settings."""
