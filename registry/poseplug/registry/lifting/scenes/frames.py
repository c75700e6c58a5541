"""Key points frame by frame, for models that see whole scenes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.registry.lifting.lift_block import Job, keep_poses, made_whole
from poseplug.registry.lifting.lifted import BLOCK
from poseplug.registry.lifting.settings import LiftSettings
from poseplug.registry.lifting.spool import Array, Spool
from poseplug.registry.lifting.views.cameras import tilted
from poseplug.registry.lifting.views.place import estimated_roots

# So many frames are seen at a time: inputs of whole scenes, such as maps, are large.
FRAMES = 32
WHOLE_FRAMES = "view: whole frames, which this run reads"


def sees_scenes(model: LiftingModel) -> bool:
    """Say whether something in a model reads whole scenes, so that people of a frame must be shown together."""
    reads = {*model.lifter.reads, *(model.root.reads if model.root is not None else ())}
    return bool(model.inputs.of_scenes(reads))


def check_view(settings: LiftSettings) -> None:
    """Raise PoseplugError if people are to be turned towards, who can only be seen together."""
    if settings.view == "centred":
        raise PoseplugError(
            "--view centred looks at people one by one, and this run reads whole frames; leave --view at auto."
        )


@attrs.frozen(eq=False)
class Frame:
    """Some frames of people.

    Attributes:
        batch: the people, with scenes, on the model's device.
        rows: [n] their numbers among all people.
        known: [n, J] bool, which joints were found.
        frame: [S] the numbers of the frames.
    """

    batch: PoseBatch
    rows: Array
    known: Tensor
    frame: Array


def frames_of(job: Job, seen: Spool, folder: Path) -> Iterator[Frame]:
    """Give all people who have joints enough, frame by frame; what was seen of everybody is appended to a table first.

    Args:
        job: whom; their missing joints are counted in it.
        seen: the table, in the order of the people.
        folder: for a table of which joints are known.
    """
    people, skeleton = job.people, job.model.skeleton
    known = Spool(folder, {"known": ((skeleton.num_joints,), "u1")})
    enough = np.zeros(len(people), bool)
    for start in range(0, len(people), BLOCK):
        stop = min(start + BLOCK, len(people))
        whole = made_whole(job, start, stop)
        whole.keep(seen)
        known.append(known=whole.known.numpy())
        enough[start:stop] = whole.enough
    order = np.lexsort((people.track, people.frame))
    order = order[enough[order]]
    frame = people.frame[order]
    numbers, starts = np.unique(frame, return_index=True)
    for first in range(0, len(numbers), FRAMES):
        own = numbers[first : first + FRAMES]
        stop = starts[first + FRAMES] if first + FRAMES < len(starts) else len(order)
        rows = order[starts[first] : stop]
        pixels, camera = seen.read(rows, "joints_2d", "camera")
        focal, centre, size = (torch.from_numpy(camera[:, at : at + 2].copy()) for at in (0, 2, 4))
        scene = torch.from_numpy(frame[starts[first] : stop])
        turned = Camera(focal, centre, size, rotation=tilted(job.settings.tilt, len(rows)))
        batch = PoseBatch(skeleton, torch.from_numpy(pixels), turned, scene=scene)
        (there,) = known.read(rows, "known")
        yield Frame(batch.to(job.model.device).gathered(), rows, torch.from_numpy(there > 0), own)


def lift_frames(job: Job, seen: Spool, poses: Spool, folder: Path) -> Array:
    """Lift everybody together with those in the same frame; return who has a pose [N]."""
    model, n = job.model, len(job.people)
    by_frame = Spool(folder / "by-frame", poses.columns)
    place = np.full(n, -1)
    for frame in frames_of(job, seen, folder / "known"):
        with model.inputs.shared():
            lifted, root = model.place(frame.batch, flip=job.settings.flip)
        lifted = lifted.float().cpu()
        if root is None:
            here = frame.batch.to("cpu")
            root = estimated_roots(lifted, here.joints_2d, frame.known, here.camera)
        place[frame.rows] = by_frame.rows + np.arange(len(frame.rows))
        by_frame.append(joints_3d=lifted.numpy(), root=root.float().cpu().numpy())
    good = place >= 0
    for start in range(0, n, BLOCK):
        own = slice(start, min(start + BLOCK, n))
        joints, roots = by_frame.read(np.maximum(place[own], 0) if by_frame.rows else place[own][:0], *poses.columns)
        if not by_frame.rows:
            joints, roots = (np.zeros((own.stop - start, *shape), "f4") for shape, _ in poses.columns.values())
        good[own] &= np.isfinite(joints).all((1, 2))
        keep_poses(poses, torch.from_numpy(joints), torch.from_numpy(roots), good[own])
    return good
