"""Key points in, poses out: people over time, their joints made whole, seen as in training, lifted, smoothed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import numpy as np
import torch
from torch import Tensor

from poseplug.core.data.normalise import Normalisation
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.missing_joints import put_missing
from poseplug.core.keypoints.detections import KeypointFile
from poseplug.core.models.input_range import InputRange
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.runtime import pick_device
from poseplug.registry.discovery.attribution import blaming
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.lifting import unlike
from poseplug.registry.lifting.cameras import CameraRule
from poseplug.registry.lifting.find_run import find_run
from poseplug.registry.lifting.gaps import fill_gaps
from poseplug.registry.lifting.joints import JointMaker
from poseplug.registry.lifting.lifted import BLOCK, Lifted
from poseplug.registry.lifting.people import People, gather
from poseplug.registry.lifting.place import estimated_roots
from poseplug.registry.lifting.settings import LiftSettings
from poseplug.registry.lifting.smoothing import smoothed
from poseplug.registry.lifting.spool import Array, Spool
from poseplug.registry.lifting.view import centred, turned_back

# So many people are looked at to see whether they are like those of the training.
_LOOKED_AT = 4096


@contextmanager
def lifting(
    run: str, file: KeypointFile, settings: LiftSettings, catalogue: Catalogue, fps: float | None = None
) -> Iterator[Lifted]:
    """Lift all people of a file; what comes of it is on the disk until the context ends.

    Raises:
        PoseplugError: no such run; key points that are damaged, or of which the run's joints cannot be made.
    """
    with TemporaryDirectory(prefix="poseplug-lift-") as folder:
        yield lift(run, file, settings, catalogue, Path(folder), fps)


@blaming
def lift(
    run: str, file: KeypointFile, settings: LiftSettings, catalogue: Catalogue, folder: Path, fps: float | None = None
) -> Lifted:
    """Lift all people of a file; see ``lifting``, which removes the folder of the tables afterwards."""
    opened = find_run(run, catalogue, pick_device(settings.device))
    skeleton = opened.model.skeleton
    make = JointMaker(file.skeleton, skeleton, settings.made)
    people = gather(file, make, settings.min_confidence, folder / "people").of(settings.person)
    rule = CameraRule.of(settings, people.reach, people.sized)
    job = _Job(opened.model, people, rule, settings, opened.seen, centred=False, missing=_Missing())
    warned, view, said_view = _look(job)
    job = attrs.evolve(job, centred=view == "centred")
    columns = {"joints_3d": ((skeleton.num_joints, 3), "f4"), "root": ((3,), "f4")}
    seen = Spool(folder / "seen", {"joints_2d": ((skeleton.num_joints, 2), "f4"), "confidence": ((skeleton.num_joints,), "f4")})
    poses = Spool(folder / "poses", columns)
    good = np.zeros(len(people), bool)
    with torch.inference_mode():
        for start in range(0, len(people), BLOCK):
            _lift_block(job, start, min(start + BLOCK, len(people)), seen, poses, good)
    seen.close()
    poses.close()
    if not good.any():
        raise PoseplugError(
            "Of nobody were half of the joints found, so there is nothing to lift; look at the confidences of the key "
            "points and at --min-confidence."
        )
    if settings.smooth > 1:
        poses = _smooth(poses, people, settings.smooth, Spool(folder / "smooth", columns))
    rule_size = rule.cameras(torch.from_numpy(people.rows(0, 1)[2])).size[0].tolist()
    tracks = len(people.tracks)
    notes = [
        f"{len(people)} people in {len(np.unique(people.frame))} frames, {tracks} track{'s' * (tracks != 1)}"
        + ", linked from frame to frame here" * people.linked,
        make.in_words(),
        rule.in_words(),
        said_view,
        job.missing.in_words(settings.max_gap),
        *[f"{people.doubled} people left out whose track has a surer person in the same frame"] * (people.doubled > 0),
        *[f"smoothed over {settings.smooth // 2 * 2 + 1} frames"] * (settings.smooth > 1),
    ]
    facts = {
        "people": len(people),
        "frames": len(np.unique(people.frame)),
        "tracks": tracks,
        "joints": list(skeleton.joints),
        "image": rule_size,
        "focal": rule.cameras(torch.from_numpy(people.rows(0, 1)[2])).focal[0].tolist(),
        "view": view,
        **attrs.asdict(job.missing),
    }
    return Lifted(
        skeleton=skeleton,
        root_estimated=opened.model.root is None,
        frame=people.frame,
        track=people.track,
        good=good,
        seen=seen,
        poses=poses,
        fps=fps or file.fps,
        image=(rule_size[0], rule_size[1]),
        notes=tuple(note for note in notes if note),
        warnings=tuple(warned),
        facts=facts,
    )


@attrs.define
class _Missing:
    """Counts of what was not found."""

    missing_joints: int = 0
    interpolated: int = 0
    placed: int = 0
    people_not_lifted: int = 0

    def in_words(self, max_gap: int) -> str:
        if not self.missing_joints:
            return "every joint was found"
        return (
            f"{self.missing_joints} joints were missing: {self.interpolated} interpolated over at most {max_gap} frames, "
            f"{self.placed} put on the nearest joint found"
            + f"; {self.people_not_lifted} people with less than half of their joints are NaN"
            * bool(self.people_not_lifted)
        )


@attrs.frozen(eq=False)
class _Job:
    model: LiftingModel
    people: People
    rule: CameraRule
    settings: LiftSettings
    range: InputRange | None
    centred: bool
    missing: _Missing

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


def _look(job: _Job) -> tuple[list[str], str, str]:
    """Return warnings, the view that is taken, and a sentence on it."""
    people, skeleton, seen = job.people, job.model.skeleton, job.range
    rows = np.unique(np.linspace(0, len(people) - 1, min(len(people), _LOOKED_AT)).astype(int))
    joints, confidence, sizes = people.table.read(people.order[rows], "joints", "confidence", "size")
    pixels, found = torch.from_numpy(joints).double(), torch.from_numpy(confidence > 0)
    camera = job.rule.cameras(torch.from_numpy(sizes))
    warned = unlike.warnings(pixels, found, camera, seen, skeleton)
    asked = job.settings.view
    if seen is None:
        if asked == "centred":
            raise PoseplugError(
                "--view centred needs to know what the lifter saw in training, which this run has not noted and which "
                "cannot be found out without its data; use --view given."
            )
        return warned, "given", "view: as given; the run has not noted what its lifter saw in training"
    share = unlike.outside_share(pixels, found, camera, seen, skeleton)
    outside = f"{share:.0%} of the people are of a size or in a place that the lifter did not see in training"
    if asked == "auto":
        other_pixels = job.model.normaliser.kind is Normalisation.STANDARDISED and _other_size(camera.size, seen)
        if unlike.too_far_out(share) or other_pixels:
            reason = outside if unlike.too_far_out(share) else "images have another size than in training"
            return warned, "centred", f"view: centred on each person, since {reason} (--view given: as they are)"
        return warned, "given", "view: as given, like in training"
    if asked == "given" and unlike.too_far_out(share):
        warned.append(f"{outside}; --view centred shows them to it as in training")
    return warned, asked, "view: as given" if asked == "given" else "view: centred on each person"


def _other_size(image: Tensor, seen: InputRange) -> bool:
    return bool(((image - image.new_tensor(seen.image)).abs() > 1).any())


def _lift_block(job: _Job, start: int, stop: int, seen: Spool, poses: Spool, good: Array) -> None:
    model, skeleton, missing = job.model, job.model.skeleton, job.missing
    joints, found, confidence, sizes = job.whole(start, stop)
    enough = found.sum(1) * 2 >= skeleton.num_joints
    missing.missing_joints += int((confidence <= 0).sum())
    missing.interpolated += int((found & (confidence <= 0)).sum())
    missing.placed += int((~found[enough]).sum())
    missing.people_not_lifted += int((~enough).sum())
    known = torch.from_numpy(found)
    pixels = put_missing(torch.from_numpy(joints), known, skeleton)
    camera = job.rule.cameras(torch.from_numpy(sizes))
    shown, through, rotation = pixels, camera, None
    if job.centred and job.range is not None:
        shown, through, rotation = centred(pixels, known, camera, job.range, skeleton)
    batch = PoseBatch(skeleton, shown.float(), through.to(model.device)).to(model.device)
    lifted = model.predict(batch, flip=job.settings.flip).float().cpu()
    located = model.locate(batch)
    if rotation is not None:
        lifted = turned_back(lifted, rotation)
    if located is None:
        root = estimated_roots(lifted, pixels, known, camera)
    else:
        root = located.float().cpu()
        root = root if rotation is None else turned_back(root[:, None], rotation)[:, 0]
    usable = enough & torch.isfinite(lifted).all(-1).all(-1).numpy()
    good[start:stop] = usable
    hidden = torch.from_numpy(~usable)
    poses.append(
        joints_3d=lifted.masked_fill(hidden[:, None, None], torch.nan).numpy(),
        root=root.masked_fill(hidden[:, None], torch.nan).numpy(),
    )
    seen.append(joints_2d=pixels.numpy(), confidence=confidence)


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
    into.close()
    return into
