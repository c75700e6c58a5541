"""Runs: planning, building, executing, and what they leave behind."""
