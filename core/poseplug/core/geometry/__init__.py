"""Geometry: skeletons and their layouts, cameras, kinematics, viewpoints, alignment."""
