"""Numbers about poses: bodies, cameras, images, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.registry.datasets.opening import Opened

Array = NDArray[np.float64]
_TOPS = ("HeadTop", "Head", "UpperNeck", "Nose", "Neck")
_FEET = ("Foot", "Ankle")
_CELLS = 10


@attrs.frozen(eq=False, slots=False)
class Measures:
    """Poses that are looked at, and what is measured of them when it is asked for; lengths in metres.

    Attributes:
        said: the source, as it is typed.
        total: how many poses it has; None without an end.
        drawn: whether those that are looked at were drawn at random.
        seen: the poses, as they are.
        label_names: for each label the names of its classes.
    """

    said: str
    total: int | None
    drawn: bool
    seen: PoseBatch
    label_names: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, opened: Opened, most: int) -> Measures:
        """Look at a source: at all of its poses, or at so many drawn ones where there are more."""
        drawn = opened.poses is None or opened.poses > most
        batches = opened.drawn(most) if drawn else opened.in_order(most)
        names = {label: tuple(classes) for label, classes in opened.source.label_names.items()}
        return cls(opened.said, opened.poses, drawn, PoseBatch.join([b.detached().to("cpu") for b in batches]), names)

    @property
    def skeleton(self) -> Skeleton:
        """The layout of the joints."""
        return self.seen.skeleton

    @cached_property
    def not_numbers(self) -> dict[str, int]:
        """How many joints have a coordinate that is no number, in 3D and in 2D."""
        tensors = {"joints_3d": self.seen.joints_3d, "joints_2d": self.seen.joints_2d}
        return {name: int((~t.isfinite().all(-1)).sum()) for name, t in tensors.items() if t is not None}

    @cached_property
    def good(self) -> PoseBatch:
        """The poses all of whose coordinates are numbers."""
        fine = self.seen.joints_2d.isfinite().all(-1).all(-1)
        if self.seen.joints_3d is not None:
            fine = fine & self.seen.joints_3d.isfinite().all(-1).all(-1)
        return self.seen if bool(fine.all()) else self.seen.select(fine)

    def by_subject(self) -> Iterator[tuple[str, Measures]]:
        """Give each subject's name and poses, where the poses have some."""
        of = self.seen.labels.get("subject")
        names = self.label_names.get("subject", ())
        for number in [] if of is None else torch.unique(of).tolist():
            name = names[number] if number < len(names) else str(number)
            yield name, attrs.evolve(self, seen=self.seen.select(of == number))

    @cached_property
    def bones(self) -> Tensor:
        """[N, M] lengths of bones."""
        return bone_lengths(self.good.absolute.double(), self.skeleton)

    @cached_property
    def subjects(self) -> Tensor:
        """[N] who it is; all alike where nobody says so."""
        of = self.good.labels.get("subject")
        return torch.zeros(len(self.good), dtype=torch.int64) if of is None else of

    @cached_property
    def means(self) -> Array:
        """[M] mean lengths of bones."""
        return np.asarray(self.bones.mean(0), np.float64)

    @cached_property
    def variation(self) -> Array:
        """[M] how much bones change within a subject: standard deviation as a share of their mean length."""
        squares = torch.zeros(self.bones.shape[1], dtype=torch.float64)
        for subject in torch.unique(self.subjects):
            own = self.bones[self.subjects == subject]
            squares += ((own - own.mean(0)) ** 2).sum(0)
        return np.asarray((squares / len(self.bones)).sqrt() / self.bones.mean(0).clamp_min(1e-12), np.float64)

    @cached_property
    def asymmetry(self) -> dict[str, float]:
        """For each pair of joints how much longer the left bone is than the right one, a share of their mean."""
        ends = {self.skeleton.joints[child]: bone for bone, (_, child) in enumerate(self.skeleton.bones)}
        found = {}
        for left, right in self.skeleton.pairs:
            if left in ends and right in ends:
                one, other = float(self.means[ends[left]]), float(self.means[ends[right]])
                found[f"{left}/{right}"] = 2 * (one - other) / max(one + other, 1e-12)
        return found

    @cached_property
    def heights(self) -> Array:
        """[N] how tall people are: along the bones from the head to the feet, else the largest distance of joints."""
        top, feet = _first(self.skeleton, _TOPS), _pair(self.skeleton, _FEET)
        if top is None or feet is None:
            joints = self.good.absolute.double()
            return np.asarray((joints.amax(1) - joints.amin(1)).norm(dim=-1), np.float64)
        ways = [self.bones[:, _way(self.skeleton, top, foot)].sum(1) for foot in feet]
        return np.asarray(sum(ways) / 2, np.float64)

    @cached_property
    def legs(self) -> Array | None:
        """[N] length of thigh and shin; None for a skeleton without legs."""
        hips, feet = _pair(self.skeleton, ("Hip",)), _pair(self.skeleton, _FEET)
        if hips is None or feet is None:
            return None
        ways = [self.bones[:, _way(self.skeleton, *ends)].sum(1) for ends in zip(hips, feet, strict=True)]
        return np.asarray(sum(ways) / 2, np.float64)

    @cached_property
    def projection(self) -> Array:
        """[N, J] how far 2D joints are from the projection of 3D joints, pixels."""
        return np.asarray((self.good.camera.project(self.good.absolute) - self.good.joints_2d).norm(dim=-1))

    @cached_property
    def sizes(self) -> Array:
        """[N] the longer side of a person's box in the image, pixels."""
        joints = self.good.joints_2d
        return np.asarray((joints.amax(1) - joints.amin(1)).amax(-1), np.float64)

    @cached_property
    def outside(self) -> Array:
        """[N, J] which joints are outside of the image; none where its size is not known."""
        joints, size = self.good.joints_2d, self.good.camera.size[:, None]
        out = ((joints < 0) | (joints > size)).any(-1) & (size > 0).all(-1)
        return np.asarray(out, np.float64)

    @cached_property
    def cover(self) -> float:
        """The share of the image, in squares of a tenth of its sides, in which there is a root."""
        camera = self.good.camera
        share = self.good.joints_2d[:, self.skeleton.root] / camera.size.clamp_min(1)
        inside = share[((share >= 0) & (share < 1)).all(1)]
        cells = (inside * _CELLS).long()
        return len(torch.unique(cells[:, 0] * _CELLS + cells[:, 1])) / _CELLS**2

    @cached_property
    def cameras(self) -> tuple[int, int]:
        """How many cameras there are, and how many sets of intrinsics."""
        camera = self.seen.camera
        inside = [t for t in (camera.focal, camera.centre, camera.size, camera.distortion) if t is not None]
        outside = [t.flatten(1) for t in (camera.rotation, camera.position) if t is not None]
        return _distinct(torch.cat([*inside, *outside], 1)), _distinct(torch.cat(inside, 1))

    @cached_property
    def up(self) -> Tensor:
        """[N, 3] the direction of the world's vertical in the camera frame; without a world, that of the image."""
        rotation = self.good.camera.rotation
        if rotation is None:
            return torch.tensor([0.0, -1.0, 0.0]).expand(len(self.good), 3)
        return rotation[:, :, 1]

    @cached_property
    def upright(self) -> Array | None:
        """[N] how far heads are above feet, as a share of people's height; None for a skeleton without them."""
        top, feet = _first(self.skeleton, _TOPS), _pair(self.skeleton, _FEET)
        if top is None or feet is None:
            return None
        joints = self.good.absolute
        body = joints[:, top] - joints[:, list(feet)].mean(1)
        return np.asarray((body * self.up).sum(-1), np.float64) / np.maximum(self.heights, 1e-9)

    @cached_property
    def upright_2d(self) -> Array | None:
        """[N] the same in the image, as a share of the person's size."""
        top, feet = _first(self.skeleton, _TOPS), _pair(self.skeleton, _FEET)
        if top is None or feet is None:
            return None
        joints = self.good.joints_2d
        return np.asarray(joints[:, list(feet), 1].mean(1) - joints[:, top, 1]) / np.maximum(self.sizes, 1e-9)

    @cached_property
    def knees(self) -> Array | None:
        """How far bent knees point forwards, if left is left, as a share of the leg; None without legs.

        Knees bend forwards. Forwards is where a person's left comes to be on their left, their trunk being up.
        """
        joints, skeleton = self.good.absolute.double(), self.skeleton
        hips, feet, knees = (_pair(skeleton, names) for names in (("Hip",), _FEET, ("Knee",)))
        top = _first(skeleton, ("Thorax", "Neck", "Spine3", *_TOPS))
        if hips is None or feet is None or knees is None or top is None:
            return None
        hip, knee, foot = (joints[:, list(pair)] for pair in (hips, knees, feet))
        left = hip[:, 0] - hip[:, 1]
        forward = torch.linalg.cross(left, joints[:, top] - hip.mean(1))
        forward = forward / forward.norm(dim=-1, keepdim=True).clamp_min(1e-12)
        leg = foot - hip
        along = ((knee - hip) * leg).sum(-1, keepdim=True) / (leg * leg).sum(-1, keepdim=True).clamp_min(1e-12)
        bend = knee - hip - along * leg
        length = ((knee - hip).norm(dim=-1) + (foot - knee).norm(dim=-1)).clamp_min(1e-12)
        return np.asarray(((bend * forward[:, None]).sum(-1) / length).flatten())

    @cached_property
    def implausible(self) -> dict[str, float]:
        """The share of poses that hold a limb bone as no body can by poseplug's own limits; {} without limbs.

        It is given for each bone, and under "" for any of them.
        """
        try:
            names = limbs_of(self.skeleton).names
        except PoseplugError:
            return {}
        refused = ~JointLimits.default().accepts(self.good.absolute, self.skeleton)
        shares = [refused.any(1).double().mean(), *refused.double().mean(0)]
        return {name: float(share) for name, share in zip(("", *names), shares, strict=True)}

    @cached_property
    def repeated(self) -> int:
        """How many poses are the same, to the last bit, as one before them."""
        seen = self.good.joints_2d if self.good.joints_3d is None else self.good.joints_3d
        return len(seen) - _distinct(seen.flatten(1))


def spread(values: Array) -> dict[str, float]:
    """Return median, 1st and 99th percentile of numbers; none of no numbers."""
    if not values.size:
        return {}
    low, median, high = np.percentile(values, (1, 50, 99)).tolist()
    return {"median": median, "low": low, "high": high}


def _distinct(rows: Tensor) -> int:
    """Return how many different rows [N, K] of float32 there are."""
    bits: NDArray[Any] = np.ascontiguousarray(rows.float().numpy())
    return len(np.unique(bits.view(np.dtype((np.void, bits.shape[1] * bits.itemsize)))))


def _first(skeleton: Skeleton, names: Sequence[str]) -> int | None:
    return next((skeleton.index(name) for name in names if name in skeleton.joints), None)


def _pair(skeleton: Skeleton, names: Sequence[str]) -> tuple[int, int] | None:
    """Return the left and the right joint of a name."""
    for name in names:
        if "L" + name in skeleton.joints and "R" + name in skeleton.joints:
            return skeleton.index("L" + name), skeleton.index("R" + name)
    return None


def _way(skeleton: Skeleton, start: int, end: int) -> list[int]:
    """Return the bones on the way from a joint to another."""

    def above(joint: int) -> set[int]:
        return set() if skeleton.parent_index[joint] < 0 else {joint} | above(skeleton.parent_index[joint])

    ends = {child: bone for bone, (_, child) in enumerate(skeleton.bones)}
    return sorted(ends[joint] for joint in above(start) ^ above(end))
