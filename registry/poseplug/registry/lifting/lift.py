"""Key points in, poses out: people over time, their joints made whole, seen as in training, lifted, smoothed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import numpy as np
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.training.runtime import pick_device
from poseplug.registry.discovery.attribution import blaming
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.lifting.lift_block import Job, lift_block
from poseplug.registry.lifting.lifted import BLOCK, Lifted
from poseplug.registry.lifting.opened_run import OpenedRun
from poseplug.registry.lifting.settings import LiftSettings
from poseplug.registry.lifting.spool import Spool, no_room
from poseplug.registry.lifting.tracking.joints import JointMaker
from poseplug.registry.lifting.tracking.people import People, gather
from poseplug.registry.lifting.tracking.smoothing import smoothed
from poseplug.registry.lifting.views.cameras import CameraRule
from poseplug.registry.lifting.views.look import look


@contextmanager
def lifting(run: str, file: KeypointFile, settings: LiftSettings, catalogue: Catalogue) -> Iterator[Lifted]:
    """Lift all people of a file; what comes of it is on the disk until the context ends.

    Raises:
        PoseplugError: no such run; key points that are damaged, or of which the run's joints cannot be made; no room
            for temporary files.
    """
    try:
        temporary = TemporaryDirectory(prefix="poseplug-lift-")
    except OSError as error:  # the disk is full, or nothing may be written to it
        raise no_room("the folder of temporary files", error) from error
    with temporary as folder:
        yield lift(run, file, settings, catalogue, Path(folder))


@blaming
def lift(run: str, file: KeypointFile, settings: LiftSettings, catalogue: Catalogue, folder: Path) -> Lifted:
    """Lift all people of a file; see ``lifting``, which removes the folder of the tables afterwards."""
    opened = OpenedRun.named(run, catalogue, pick_device(settings.device))
    skeleton = opened.model.skeleton
    make = JointMaker(file.skeleton, skeleton, settings.made)
    people = gather(file, make, settings.min_confidence, folder / "people").of(settings.person)
    rule = CameraRule.of(settings, people.reach, people.sized)
    job = Job(opened.model, people, rule, settings, opened.seen)
    warned, view, said_view = look(job)
    job = attrs.evolve(job, centred=view == "centred")
    joints = skeleton.num_joints
    seen = Spool(
        folder / "seen", {"joints_2d": ((joints, 2), "f4"), "confidence": ((joints,), "f4"), "camera": ((6,), "f4")}
    )
    poses = Spool(folder / "poses", {"joints_3d": ((joints, 3), "f4"), "root": ((3,), "f4")})
    good = np.zeros(len(people), bool)
    with torch.inference_mode():
        for start in range(0, len(people), BLOCK):
            stop = min(start + BLOCK, len(people))
            good[start:stop] = lift_block(job, start, stop, seen, poses)
    if not good.any():
        raise PoseplugError(
            "Of nobody were half of the joints found, so there is nothing to lift; look at the confidences of the key "
            "points and at --min-confidence."
        )
    if settings.smooth > 1:
        poses = _smooth(poses, people, settings.smooth, Spool(folder / "smooth", poses.columns))
    camera = rule.cameras(torch.from_numpy(people.rows(0, 1)[2]))
    width, height = camera.size[0].tolist()
    frames = len(np.unique(people.frame))
    facts = {
        "people": len(people),
        "frames": frames,
        "tracks": len(people.tracks),
        "joints": list(skeleton.joints),
        "image": [width, height],
        "focal": camera.focal[0].tolist(),
        "view": view,
        **attrs.asdict(job.missing),
    }
    done = [make.in_words(), rule.in_words(), said_view, job.missing.in_words(settings.max_gap)]
    if settings.smooth > 1:
        done.append(f"smoothed over {settings.smooth // 2 * 2 + 1} frames")
    return Lifted(
        skeleton=skeleton,
        root_estimated=opened.model.root is None,
        frame=people.frame,
        track=people.track,
        good=good,
        seen=seen,
        poses=poses,
        fps=settings.fps or file.fps,
        image=(width, height),
        notes=(_who(people, frames), *done),
        warnings=tuple(warned),
        facts=facts,
    )


def _who(people: People, frames: int) -> str:
    tracks = len(people.tracks)
    linked = ", linked from frame to frame here" * people.linked
    doubled = f"; {people.doubled} left out, of whose track a surer person is in the same frame" * (people.doubled > 0)
    return f"{len(people)} people in {frames} frames, {tracks} track{'s' * (tracks != 1)}{linked}{doubled}"


def _smooth(poses: Spool, people: People, window: int, into: Spool) -> Spool:
    """Return the table of poses smoothed over time, block by block."""
    half = window // 2
    for start in range(0, len(people), BLOCK):
        stop = min(start + BLOCK, len(people))
        low, high = max(0, start - half), min(len(people), stop + half)
        own, made = slice(start - low, stop - low), {}
        for name, values in zip(("joints_3d", "root"), poses.read(slice(low, high), "joints_3d", "root"), strict=True):
            flat = smoothed(values.reshape(high - low, -1), people.track[low:high], people.frame[low:high], window)
            made[name] = flat.reshape(values.shape)[own]
        into.append(**made)
    return into
