"""Detectors by what users call them: opened, trained, measured."""
