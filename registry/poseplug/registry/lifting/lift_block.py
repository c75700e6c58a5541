"""People in, poses out, some thousands at a time: gaps filled, missing joints placed, seen as in training, lifted."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.missing_joints import put_missing
from poseplug.core.models.input_range import InputRange
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.registry.lifting.settings import LiftSettings
from poseplug.registry.lifting.spool import Array, Spool
from poseplug.registry.lifting.tracking.gaps import fill_gaps
from poseplug.registry.lifting.tracking.people import People
from poseplug.registry.lifting.views.cameras import CameraRule
from poseplug.registry.lifting.views.place import estimated_roots
from poseplug.registry.lifting.views.view import centred, turned_back


@attrs.define
class Missing:
    """How many joints were not found, and what was done about them."""

    missing_joints: int = 0
    interpolated: int = 0
    placed: int = 0
    people_not_lifted: int = 0

    def in_words(self, max_gap: int) -> str:
        """Return a sentence on them."""
        if not self.missing_joints:
            return "every joint was found"
        done = f"{self.interpolated} interpolated over at most {max_gap} frames, {self.placed} put on the nearest found"
        lost = f"; {self.people_not_lifted} people with less than half of their joints are NaN"
        return f"{self.missing_joints} joints were missing: {done}{lost * bool(self.people_not_lifted)}"


@attrs.frozen(eq=False)
class Job:
    """What is to be lifted, and how.

    Attributes:
        model: the lifting model.
        people: whom.
        rule: their cameras.
        settings: as the user says.
        range: what the lifter saw in training; None where nobody knows.
        centred: whether people are shown through cameras turned towards them.
        missing: counts, which grow with each block.
    """

    model: LiftingModel
    people: People
    rule: CameraRule
    settings: LiftSettings
    range: InputRange | None
    centred: bool = False
    missing: Missing = attrs.field(factory=Missing)

    def whole(self, start: int, stop: int) -> tuple[Array, Array, Array, Array]:
        """Return joints [n, J, 2] of people with short gaps filled, which are known, confidences, image sizes."""
        people, gap = self.people, self.settings.max_gap
        halo = gap + 1 if gap else 0
        low, high = max(0, start - halo), min(len(people), stop + halo)
        joints, confidence, sizes = people.rows(low, high)
        found = confidence > 0
        if gap and not found.all():
            joints, found = fill_gaps(joints, found, people.track[low:high], people.frame[low:high], gap)
        own = slice(start - low, stop - low)
        return joints[own], found[own], confidence[own], sizes[own]


@attrs.frozen(eq=False)
class Whole:
    """People with short gaps filled and missing joints placed, in the cameras that saw them.

    Attributes:
        pixels: [n, J, 2].
        known: [n, J] bool, which joints were found, or filled.
        enough: [n] bool, who has joints enough to be lifted.
        confidence: [n, J].
        camera: of each.
    """

    pixels: Tensor
    known: Tensor
    enough: Array
    confidence: Array
    camera: Camera

    def keep(self, seen: Spool) -> None:
        """Append what was seen of them to its table."""
        camera = self.camera
        intrinsics = torch.cat([camera.focal, camera.centre, camera.size], 1)
        seen.append(joints_2d=self.pixels.numpy(), confidence=self.confidence, camera=intrinsics.numpy())


def made_whole(job: Job, start: int, stop: int) -> Whole:
    """Return people ``start`` to ``stop`` as they can be lifted, and count what was missing."""
    skeleton, missing = job.model.skeleton, job.missing
    joints, found, confidence, sizes = job.whole(start, stop)
    enough = found.sum(1) * 2 >= skeleton.num_joints
    missing.missing_joints += int((confidence <= 0).sum())
    missing.interpolated += int((found & (confidence <= 0)).sum())
    missing.placed += int((~found[enough]).sum())
    missing.people_not_lifted += int((~enough).sum())
    known = torch.from_numpy(found)
    pixels = put_missing(torch.from_numpy(joints), known, skeleton)
    return Whole(pixels, known, enough, confidence, job.rule.cameras(torch.from_numpy(sizes)))


def lift_block(job: Job, start: int, stop: int, seen: Spool, poses: Spool) -> Array:
    """Lift people ``start`` to ``stop`` and append them to both tables; return who has a pose [n]."""
    model, skeleton = job.model, job.model.skeleton
    whole = made_whole(job, start, stop)
    pixels, known, camera = whole.pixels, whole.known, whole.camera
    shown, through, rotation = pixels, camera, None
    if job.centred and job.range is not None:
        shown, through, rotation = centred(pixels, known, camera, job.range, skeleton)
    batch = PoseBatch(skeleton, shown.float(), through).to(model.device)
    lifted, located = model.place(batch, flip=job.settings.flip)
    lifted = lifted.float().cpu()
    if rotation is not None:
        lifted = turned_back(lifted, rotation)
    if located is None:
        root = estimated_roots(lifted, pixels, known, camera)
    else:
        root = located.float().cpu()
        root = root if rotation is None else turned_back(root[:, None], rotation)[:, 0]
    usable: Array = whole.enough & torch.isfinite(lifted).all(-1).all(-1).numpy()
    keep_poses(poses, lifted, root, usable)
    whole.keep(seen)
    return usable


def keep_poses(poses: Spool, lifted: Tensor, root: Tensor, usable: Array) -> None:
    """Append poses [n, J, 3] and roots [n, 3] to their table, NaN for those that are not usable."""
    hidden = torch.from_numpy(~usable)
    poses.append(
        joints_3d=lifted.masked_fill(hidden[:, None, None], torch.nan).numpy(),
        root=root.masked_fill(hidden[:, None], torch.nan).numpy(),
    )
