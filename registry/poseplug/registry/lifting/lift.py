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
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.training.runtime import pick_device
from poseplug.registry.discovery.attribution import blaming
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.lifting.lift_block import Job, Missing, lift_block
from poseplug.registry.lifting.lifted import BLOCK, Lifted
from poseplug.registry.lifting.opened_run import OpenedRun
from poseplug.registry.lifting.scenes.finding import FoundFile, Searched
from poseplug.registry.lifting.scenes.frames import WHOLE_FRAMES, check_view, frames_of, lift_frames, sees_scenes
from poseplug.registry.lifting.scenes.photos import Photos, canvas_of, check_key_points
from poseplug.registry.lifting.settings import LiftSettings
from poseplug.registry.lifting.spool import Array, Spool, no_room
from poseplug.registry.lifting.tracking.joints import JointMaker
from poseplug.registry.lifting.tracking.people import People, gather
from poseplug.registry.lifting.tracking.smoothing import smoothed
from poseplug.registry.lifting.views.cameras import CameraRule
from poseplug.registry.lifting.views.look import look

Liftable = KeypointFile | Photos


@contextmanager
def lifting(run: str, file: Liftable, settings: LiftSettings, catalogue: Catalogue) -> Iterator[Lifted]:
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
def lift(run: str, file: Liftable, settings: LiftSettings, catalogue: Catalogue, folder: Path) -> Lifted:
    """Lift all people of a file; see ``lifting``, which removes the folder of the tables afterwards."""
    opened = OpenedRun.named(run, catalogue, pick_device(settings.device))
    if not isinstance(file, Photos):
        check_key_points(opened.model)
    opened = _as_told(opened, settings)
    with torch.inference_mode():
        if opened.model.finds:
            return _finished(_search(opened, file, settings, folder), opened, file, settings, folder)
        if isinstance(file, Photos):
            raise file.refused()
        return _finished(_place(opened, file, settings, folder), opened, file, settings, folder)


def _as_told(opened: OpenedRun, settings: LiftSettings) -> OpenedRun:
    """Return the run with the score that is asked for; raise PoseplugError if it has no use for what is said."""
    if settings.tilt is not None and not (opened.model.finds or sees_scenes(opened.model)):
        raise PoseplugError(
            "--tilt is for runs that see whole frames, and this one sees people one by one, however the camera is "
            "turned; leave it out."
        )
    if settings.score is None:
        return opened
    if not opened.model.finds:
        raise PoseplugError("--score says who counts as found, and this run is given its people; leave it out.")
    return attrs.evolve(opened, score=settings.score)


@attrs.frozen(eq=False)
class _Outcome:
    """People, and what was seen and lifted of them, in one order.

    Attributes:
        people, rule: whom, in which images.
        good: [N] bool, who has a pose.
        seen, poses: their tables.
        view: how they were shown.
        missing: joints of key points that were.
        said: what was made, assumed and missing, a sentence each.
        warned: what may be wrong.
    """

    people: People
    rule: CameraRule
    good: Array
    seen: Spool
    poses: Spool
    view: str
    missing: Missing
    said: list[str]
    warned: list[str]


def _tables(skeleton: Skeleton, folder: Path) -> tuple[Spool, Spool]:
    joints = skeleton.num_joints
    seen = {"joints_2d": ((joints, 2), "f4"), "confidence": ((joints,), "f4"), "camera": ((6,), "f4")}
    poses = {"joints_3d": ((joints, 3), "f4"), "root": ((3,), "f4")}
    return Spool(folder / "seen", seen), Spool(folder / "poses", poses)


def _place(opened: OpenedRun, file: KeypointFile, settings: LiftSettings, folder: Path) -> _Outcome:
    """Lift each person of a file."""
    skeleton = opened.model.skeleton
    make = JointMaker(file.skeleton, skeleton, settings.made)
    people = gather(file, make, settings.min_confidence, folder / "people").of(settings.person)
    rule = CameraRule.of(settings, people.reach, people.sized)
    job = Job(opened.model, people, rule, settings, opened.seen)
    together = sees_scenes(opened.model)
    if together:
        check_view(settings)
    warned, view, said_view = look(job)
    if together:
        view, said_view = "given", WHOLE_FRAMES
    job = attrs.evolve(job, centred=view == "centred")
    seen, poses = _tables(skeleton, folder)
    good = np.zeros(len(people), bool)
    if together:
        good = lift_frames(job, seen, poses, folder)
    else:
        for start in range(0, len(people), BLOCK):
            stop = min(start + BLOCK, len(people))
            good[start:stop] = lift_block(job, start, stop, seen, poses)
    if not good.any():
        raise PoseplugError(
            "Of nobody were half of the joints found, so there is nothing to lift; look at the confidences of the key "
            "points and at --min-confidence."
        )
    said = [make.in_words(), rule.in_words(), said_view, job.missing.in_words(settings.max_gap)]
    return _Outcome(people, rule, good, seen, poses, view, job.missing, said, warned)


def _search(opened: OpenedRun, file: Liftable, settings: LiftSettings, folder: Path) -> _Outcome:
    """Find the people in the frames of a file, and lift them."""
    check_view(settings)
    if settings.flip:
        raise PoseplugError("--flip averages the poses of given people, and this run searches for them; leave it out.")
    model, missing = opened.model, Missing()
    skeleton = model.skeleton
    seen, poses = _tables(skeleton, folder)
    warned: list[str] = []
    said: list[str] = []
    if isinstance(file, Photos):
        scenes, rule = _photos(opened, file, settings)
        asked = "pictures"
    else:
        make = JointMaker(file.skeleton, skeleton, settings.made)
        given = gather(file, make, settings.min_confidence, folder / "given")
        rule = CameraRule.of(settings, given.reach, given.sized)
        job = Job(model, given, rule, settings, opened.seen)
        warned, _, _ = look(job)
        missing, asked = job.missing, f"frames with {len(given)} people's key points"
        shown = Spool(folder / "given-seen", seen.columns)
        scenes = (
            Searched(frame.batch, frame.frame, given.track[frame.rows])
            for frame in frames_of(job, shown, folder / "known")
        )
        said.append(make.in_words())
    table = Spool(folder / "found", {**poses.columns, "camera": ((6,), "f4")})
    found = FoundFile(model, scenes, opened.score, table, file.format, file.fps)
    everybody = gather(found, JointMaker(skeleton, skeleton, {}), 0.0, folder / "people", nobody=_nobody(opened))
    people = everybody.of(settings.person)
    for start in range(0, len(people), BLOCK):
        joints, confidence, _ = people.rows(start, start + BLOCK)
        joints_3d, root, camera = table.read(people.order[start : start + BLOCK], "joints_3d", "root", "camera")
        seen.append(joints_2d=joints, confidence=confidence, camera=camera)
        poses.append(joints_3d=joints_3d, root=root)
    said += [f"found at a score above {opened.score:g} in {asked}", rule.in_words(), WHOLE_FRAMES]
    if not isinstance(file, Photos):
        said.append(missing.in_words(settings.max_gap))
    return _Outcome(people, rule, np.ones(len(people), bool), seen, poses, "given", missing, said, warned)


def _photos(opened: OpenedRun, file: Photos, settings: LiftSettings) -> tuple[Iterator[Searched], CameraRule]:
    canvas = canvas_of(opened.model)
    if canvas is None:
        raise file.refused()
    if settings.made:
        raise PoseplugError("--map says how joints are made of key points, and pictures have none; leave it out.")
    # Pictures are as large as they are.
    rule = CameraRule.of(attrs.evolve(settings, size=None), (0.0, 0.0), sized=True)
    pairs = file.scenes(rule, opened.model.skeleton, canvas)
    nobody = np.zeros(0, np.int64)
    return (Searched(batch.to(opened.model.device), frame, nobody) for frame, batch in pairs), rule


def _nobody(opened: OpenedRun) -> str:
    return (
        f"Nobody was found at a score above {opened.score:g}, so there is nothing to lift; look at what the run was "
        "trained on, and at camera and size."
    )


def _finished(outcome: _Outcome, opened: OpenedRun, file: Liftable, settings: LiftSettings, folder: Path) -> Lifted:
    """Smooth over time where that is asked for, and sum up."""
    people, poses, missing = outcome.people, outcome.poses, outcome.missing
    skeleton = opened.model.skeleton
    if settings.smooth > 1:
        poses = _smooth(poses, people, settings.smooth, Spool(folder / "smooth", poses.columns))
    camera = outcome.rule.cameras(torch.from_numpy(people.rows(0, 1)[2]))
    width, height = camera.size[0].tolist()
    frames = len(np.unique(people.frame))
    facts = {
        "people": len(people),
        "frames": frames,
        "tracks": len(people.tracks),
        "joints": list(skeleton.joints),
        "image": [width, height],
        "focal": camera.focal[0].tolist(),
        "view": outcome.view,
        **attrs.asdict(missing),
    }
    done = outcome.said
    if settings.smooth > 1:
        done = [*done, f"smoothed over {settings.smooth // 2 * 2 + 1} frames"]
    return Lifted(
        skeleton=skeleton,
        root_estimated=opened.model.root is None,
        frame=people.frame,
        track=people.track,
        good=outcome.good,
        seen=outcome.seen,
        poses=poses,
        fps=settings.fps or file.fps,
        image=(width, height),
        notes=(_who(people, frames), *done),
        warnings=tuple(outcome.warned),
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
