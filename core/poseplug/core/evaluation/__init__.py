"""Evaluation: metrics under a protocol, and the results of a run."""
