"""Scenes in pictures: the image plane and the camera's space, truth beside what a run finds."""
