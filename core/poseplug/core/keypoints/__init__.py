"""2D key points in the files of detectors and data sets."""
