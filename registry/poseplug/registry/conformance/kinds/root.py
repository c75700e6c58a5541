"""What root estimators promise besides what every component does."""

from __future__ import annotations

from typing import Any

import torch

from poseplug.core.data.found import Found
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.registry.conformance.poses import Occasion
from poseplug.registry.conformance.stand_ins import context_of, stand_in_inputs
from poseplug.registry.conformance.tensors import Tensors, check_finite, check_scalars, check_tensor, tensors_of
from poseplug.registry.conformance.verdict import Broken, require

# One whose class offers settings for the kit may be large with others.
SMALL = True


def use(part: Any, occasion: Occasion) -> Tensors:
    """Locate the people, take the losses, and check the form of both."""
    poses = occasion.poses
    return {**locate(part, poses), **train(part, occasion)}


def locate(part: Any, poses: PoseBatch) -> Tensors:
    """Locate the people of a batch, or search its scenes, and check the form of what is found."""
    roots = part(**stand_in_inputs(part, context_of(poses)).read(part.reads, poses))
    if part.finds:
        return tensors_of(_found(roots, part, poses))
    return {"roots": check_tensor(roots, (len(poses), 3), poses.device, "the output")}


def _found(found: Any, part: Any, poses: PoseBatch) -> Found:
    if not isinstance(found, Found):
        raise Broken(f"it searches (finds = True), and returned a {type(found).__name__}; expected Found people")
    slots, device, joints = poses.num_scenes * found.most, poses.device, poses.skeleton.num_joints
    check_tensor(found.scene, (slots,), device, "scene of who was found", torch.int64)
    rows = torch.arange(poses.num_scenes, device=device).repeat_interleave(found.most)
    same = torch.equal(found.scene.sort().values, rows)
    require(same, f"who was found has other scenes than each of {poses.num_scenes} as often as most = {found.most}")
    check_tensor(found.root, (slots, 3), device, "root of who was found")
    check_tensor(found.score, (slots,), device, "score of who was found")
    given = found.joints_2d is not None
    told = (
        f"finds_joints_2d is {part.finds_joints_2d}, but joints_2d of who was found is {'given' if given else 'None'}"
    )
    require(given == part.finds_joints_2d, told)
    if found.joints_2d is not None:
        check_tensor(found.joints_2d, (slots, joints, 2), device, "joints_2d of who was found")
    check_finite(tensors_of(found), "in who was found, empty slots included")
    within = bool(((found.score >= 0) & (found.score <= 1)).all())
    require(within, "a score of who was found is not within 0 and 1")
    return found


def train(part: Any, occasion: Occasion) -> Tensors:
    """Return the losses that train the root estimator."""
    poses = occasion.poses
    read = stand_in_inputs(part, context_of(poses)).read(part.reads, poses)
    return check_scalars(part.loss(part(**read), poses, **read), poses.device, "loss")
