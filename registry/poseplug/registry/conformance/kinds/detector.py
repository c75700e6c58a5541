"""What detectors promise besides what every component does."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.registry.conformance.poses import Occasion, ordinary
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import Tensors, check_rows, check_scalars, check_tensor, send_gradient_back
from poseplug.registry.conformance.verdict import promise, require

# Networks that see images are large: they are tried on fewer people than others, and, where they have any, with their
# example settings.
MANY = 64
SMALL = True
# How much of a crop people fill, and how large the spots are that their joints are.
_FILLED, _SPOT = 0.8, 0.06


def use(part: Any, occasion: Occasion) -> Tensors:
    """Find the joints in images of the people, take the losses, and check the form of both."""
    poses = occasion.poses
    require(part.skeleton == poses.skeleton, f"finds the layout '{part.skeleton.name}', not '{poses.skeleton.name}'")
    images, joints, visible = pictures(part, poses)
    found = part(images)
    require(isinstance(found, tuple) and len(found) == 2, "the output is not a pair of joints and confidence")
    n, count = visible.shape
    sure = check_tensor(found[1], (n, count), poses.device, "the confidence")
    require(bool(((sure >= 0) & (sure <= 1)).all()), "the confidence is not in [0, 1]")
    losses = check_scalars(part.loss(images, joints, visible), poses.device, "loss")
    return {"joints": check_tensor(found[0], (n, count, 2), poses.device, "the joints"), "confidence": sure, **losses}


def train(part: Any, occasion: Occasion) -> Tensors:
    """Return the losses that train the detector."""
    return check_scalars(part.loss(*pictures(part, occasion.poses)), occasion.poses.device, "loss")


def pictures(part: Any, poses: PoseBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Return images [N, 3, H, W] with a spot for each joint, joints [N, J, 2] in them, and that all are visible."""
    height, width = part.crop
    low, high = poses.joints_2d.amin(1, keepdim=True), poses.joints_2d.amax(1, keepdim=True)
    sides = torch.tensor([width - 1.0, height - 1.0], device=poses.device)
    scale = (_FILLED * sides / (high - low).clamp_min(1e-3)).amin(-1, keepdim=True)
    joints = (poses.joints_2d - (low + high) / 2) * scale + sides / 2
    x, y = (torch.arange(side, device=poses.device) for side in (width, height))
    spread = 2 * (_SPOT * min(height, width)) ** 2
    spots = [torch.exp(-((cells - joints[..., axis, None]) ** 2) / spread) for axis, cells in enumerate((x, y))]
    colours = torch.linspace(0.2, 1, 3 * joints.shape[1], device=poses.device).view(-1, 3)
    images = torch.einsum("njh,njw,jc->nchw", spots[1], spots[0], colours).clamp(0, 1)
    return images, joints, torch.ones_like(joints[..., 0])


@promise("crop", "it says the height and width of the crops that it reads", needs=("constructs",))
def crop(subject: Subject) -> None:
    """Look at the attribute."""
    said = getattr(subject.build(), "crop", None)
    good = isinstance(said, tuple) and len(said) == 2 and all(isinstance(side, int) and side > 0 for side in said)
    require(good, f"crop is {said!r}; expected height and width in pixels")


@promise("independence", "in evaluation joints are found alike whatever else is in the batch", needs=("seeded",))
def independence(subject: Subject) -> None:
    """Look at 16 people together, and again eight at a time in another order."""
    part = subject.ready().eval()

    def find(seen: Occasion) -> Tensors:
        joints, confidence = part(pictures(part, seen.poses)[0])
        return {"joints": joints, "confidence": confidence}

    check_rows(find, ordinary(16, subject.device), "the same people in other batches are seen differently")


@promise("unseen", "joints that are not visible train nothing", needs=("gradients",))
def unseen(subject: Subject) -> None:
    """Move the joints that are marked as not visible, and compare the losses."""
    part = subject.ready().eval()
    images, joints, visible = pictures(part, ordinary(8, subject.device).poses)
    visible[:, ::2] = 0
    for stage in part.stages or (None,):
        if stage is not None:
            part.begin_stage(stage.name)
        losses = [part.loss(images, joints + moved, visible) for moved in (0, (1 - visible)[..., None] * 5)]
        differing = [name for name, loss in losses[0].items() if not torch.allclose(loss, losses[1][name])]
        require(not differing, f"'{', '.join(differing)}' depends on where joints are that nobody sees")


@promise("stages", "the stages of its training take all of it, and each trains it", needs=("gradients",))
def stages(subject: Subject) -> None:
    """Begin each stage in turn, as the training does, and look for gradients."""
    part = subject.ready()
    if not part.stages:
        return
    whole = sum(stage.share for stage in part.stages)
    require(abs(whole - 1) < 1e-6 and all(stage.share > 0 for stage in part.stages), f"shares add up to {whole:g}")
    for stage in part.stages:
        part.begin_stage(stage.name)
        part.zero_grad(set_to_none=True)
        require(send_gradient_back(train(part, ordinary(8, subject.device))), f"stage '{stage.name}' has no gradient")
