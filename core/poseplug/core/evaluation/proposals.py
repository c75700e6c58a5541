"""Whom a model has found, before it is asked who they are: by their score, or with the help of the truth."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.data.found import Found, people_by_scene
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.evaluation.joint_errors import MILLIMETRES
from poseplug.core.evaluation.protocol import Protocol


@attrs.define(eq=False)
class Proposals:
    """Says of found people [M] which are kept, to be lifted and judged; for ``LiftingModel.find``.

    Attributes:
        protocol: decides.
        batch: the true people, whom only "truth-filtered" looks at.
        unsure: of those that are "scored", the others whom it has seen, in slots that are not empty: they stay where
            they were found, and count for the average precision alone.
    """

    protocol: Protocol
    batch: PoseBatch
    unsure: Found | None = None

    def __call__(self, found: Found) -> Tensor:
        """Return which are kept, [M] bool."""
        sure = found.score > self.protocol.match_score
        if self.protocol.proposals == "truth-filtered":
            return self._near_truth(found, sure) if len(self.batch) else sure
        self.unsure = found.select((found.score > 0) & ~sure)
        return sure

    def _near_truth(self, found: Found, sure: Tensor) -> Tensor:
        people = people_by_scene(self.batch)[found.scene]
        apart = torch.linalg.vector_norm(found.root[:, None] - self.batch.root[people], dim=-1)
        near = ((people >= 0) & (apart <= self.protocol.match_radius_mm / MILLIMETRES)).any(1)
        return torch.where((people >= 0).any(1), near & (found.score > 0), sure)
