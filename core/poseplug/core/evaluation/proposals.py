"""Whom a model has found, before it is asked who they are: by their score, or with the help of the truth."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from poseplug.core.data.found import Found, people_by_scene
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.evaluation.joint_errors import MILLIMETRES
from poseplug.core.evaluation.protocol import Protocol


def kept(protocol: Protocol, batch: PoseBatch) -> Callable[[Found], Tensor]:
    """Return what says of found people [M] which are lifted and judged.

    Of those that are "scored" everybody in a slot that is not empty: the least score is asked by the matching, and the
    average precision is over all.
    """

    def scored(found: Found) -> Tensor:
        return found.score > 0

    def near_truth(found: Found) -> Tensor:
        if not len(batch):
            return found.score > protocol.match_score
        people = people_by_scene(batch)[found.scene]
        apart = torch.linalg.vector_norm(found.root[:, None] - batch.root[people], dim=-1)
        near = ((people >= 0) & (apart <= protocol.match_radius_mm / MILLIMETRES)).any(1)
        inhabited = (people >= 0).any(1)
        return scored(found) & torch.where(inhabited, near, found.score > protocol.match_score)

    return scored if protocol.proposals == "scored" else near_truth
