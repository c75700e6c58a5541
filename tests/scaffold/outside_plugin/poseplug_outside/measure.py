"""How wrong is the worst joint?"""

from poseplug.core.evaluation.metric import Metric


class WorstJoint(Metric):
    """The greatest distance of a joint from the truth."""

    def measure(self, comparison):
        """Return one figure [N] in millimetres."""
        return {"worst_joint_mm": comparison.errors.amax(1)}

    def heading(self, figure):
        """Return how tables call it."""
        return "worst joint"
