"""Images of people, and where their joints are in them: reading, boxes, crops; detectors, and how they are trained."""
