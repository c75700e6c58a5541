"""What pictures of a data set show: poses, where cameras are, how people and their bones are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.registry.datasets.directions import Directions, directions
from poseplug.registry.datasets.measures import Measures
from poseplug.registry.datasets.opening import Opened
from poseplug.registry.datasets.scenes.shown import Predictor, ScenesShown, look_at_scenes

Array = NDArray[Any]
TOPICS = ("poses", "cameras", "people", "bones")
# Shown where it is asked for.
FURTHER = ("directions", "scenes")
# Enough for a distribution to be seen; of places, so many are drawn one by one.
_LOOKED_AT, _PLACES = 20_000, 1500
_ANGLES = 36


@attrs.frozen(eq=False)
class PoseGrid:
    """Poses side by side.

    Attributes:
        joints: [K, J, 2], as the camera sees them without perspective, metres, y down, the pose's middle at the
            origin; of poses in 2D only each at a scale of its own.
        depth: [K, J] the further away the more; zeros of poses in 2D only.
        titles: of each pose its action, or "".
        skeleton: the layout.
        columns: in a row.
        half: half the width and height of a panel that holds every pose.
    """

    joints: Array
    depth: Array
    titles: Sequence[str]
    skeleton: Skeleton
    columns: int
    half: tuple[float, float]

    @property
    def rows(self) -> int:
        return -(-len(self.joints) // self.columns)


@attrs.frozen(eq=False)
class Distribution:
    """Numbers to make a histogram of.

    Attributes:
        title: what of, with the unit.
        values: [N].
    """

    title: str
    values: Array


@attrs.frozen(eq=False)
class Shown:
    """Everything that is shown; what was not asked for, or is not known, is empty or None.

    Attributes:
        said: the source, as it is typed.
        poses: some of them.
        cameras: [C, 3] places in the world, y up, metres.
        people: [P, 3] places of roots in the world.
        distributions: of cameras and people.
        bones: names of bones, and [M, A] the share of poses in which a bone is at so many degrees from hanging down.
        directions: which way limb bones point in frames of their own.
        scenes: people together in an image and in space.
    """

    said: str
    poses: PoseGrid | None = None
    cameras: Array | None = None
    people: Array | None = None
    distributions: Sequence[Distribution] = ()
    bones: tuple[Sequence[str], Array] | None = None
    directions: Directions | None = None
    scenes: ScenesShown | None = None


def look(
    opened: Opened,
    topics: Sequence[str] = TOPICS,
    *,
    rows: int = 3,
    columns: int = 8,
    against: Opened | None = None,
    limits: JointLimits | None = None,
    predictor: Predictor | None = None,
) -> Shown:
    """Return what pictures show of a source.

    Args:
        opened: the source.
        topics: of TOPICS and FURTHER.
        rows, columns: of the grid of poses; rows is also how many scenes there are.
        against: a source whose directions are shown beside those of the first.
        limits: which directions of bones are possible; none: those that ship.
        predictor: a run that says where the people of scenes are.

    Raises:
        PoseplugError: no such topic, or not a pose whose coordinates are all numbers.
    """
    unknown = sorted({*topics} - {*TOPICS, *FURTHER})
    if unknown:
        raise PoseplugError(f"There is nothing called '{unknown[0]}' to show; choose of {', '.join(TOPICS + FURTHER)}.")
    if "directions" not in topics and (against is not None or limits is not None):
        raise PoseplugError("Another source and joint limits belong to the directions of bones; add --show directions.")
    if "scenes" not in topics and predictor is not None:
        raise PoseplugError("A run says where the people of scenes are; add --show scenes.")
    scenes = look_at_scenes(opened, rows, predictor) if "scenes" in topics else None
    grid = _grid(opened, rows, columns) if "poses" in topics else None
    if {*topics} <= {"poses", "scenes"}:
        return Shown(opened.said, grid, scenes=scenes)
    found = _measured(opened)
    distributions: list[Distribution] = []
    cameras, people = _places(found) if "cameras" in topics else (None, None)
    if cameras is not None:
        distributions += _views(found)
    if "people" in topics:
        distributions += _people(found)
    bones = _bone_angles(found) if "bones" in topics and found.good.joints_3d is not None else None
    held = None
    if "directions" in topics:
        each = [found, *([] if against is None else [_measured(against)])]
        held = directions([(of.said, of.good) for of in each], limits or JointLimits.default())
    return Shown(opened.said, grid, cameras, people, distributions, bones, held, scenes)


def _measured(opened: Opened) -> Measures:
    found = Measures.of(opened, _LOOKED_AT)
    if not len(found.good):
        raise PoseplugError(f"All poses of '{opened.said}' have coordinates that are no numbers; nothing can be drawn.")
    return found


def _grid(opened: Opened, rows: int, columns: int) -> PoseGrid:
    batch = PoseBatch.join([*opened.drawn(rows * columns)]).select(slice(0, rows * columns))
    names = opened.source.label_names.get("action", ())
    titles = [names[number] for number in batch.labels["action"].tolist()] if "action" in batch.labels and names else []
    joints = batch.joints_2d if batch.joints_3d is None else batch.root_relative
    joints = joints.detach().cpu().nan_to_num()
    plane = joints[..., :2].double()
    middle = (plane.amax(1, keepdim=True) + plane.amin(1, keepdim=True)) / 2
    if batch.joints_3d is None:  # nobody knows how large people are
        plane, middle = (tensor / _longer_side(joints.double()) for tensor in (plane, middle))
    size = (plane.amax(1) - plane.amin(1)).amax(0) / 2
    size = size + 0.09 * size.max()
    half = torch.maximum(size, size.flip(0) * 0.6).tolist()
    depth = torch.zeros_like(joints[..., 0]) if batch.joints_3d is None else joints[..., 2]
    panels = (half[0], half[1])
    columns = min(columns, len(joints))
    return PoseGrid(
        (plane - middle).numpy(), depth.numpy(), titles or [""] * len(joints), batch.skeleton, columns, panels
    )


def _longer_side(joints: Tensor) -> Tensor:
    """Return the longer side [N, 1, 1] of the box about joints [N, J, 2]."""
    return (joints.amax(1) - joints.amin(1)).amax(-1).clamp_min(1e-9)[:, None, None]


def _places(found: Measures) -> tuple[Array | None, Array | None]:
    """Return places of cameras, each once, and of people; None where the world is not known."""
    position = found.good.camera.position
    if position is None or found.good.joints_3d is None:
        return None, None
    roots = found.good.camera.camera_to_world(found.good.root[:, None])[:, 0]
    step = max(1, len(roots) // _PLACES)
    places = torch.unique(position, dim=0)
    return places[:: max(1, len(places) // _PLACES)].numpy(), roots[::step].numpy()


def _views(found: Measures) -> list[Distribution]:
    roots = found.good.root.double()
    distance = roots.norm(dim=-1)
    above = -(roots * found.up.double()).sum(-1) / distance
    return [
        Distribution("camera above the person, degrees", above.clamp(-1, 1).asin().rad2deg().numpy()),
        Distribution("distance, m", distance.numpy()),
    ]


def _people(found: Measures) -> list[Distribution]:
    sizes = [Distribution("size in the image, pixels", found.sizes)]
    if found.good.joints_3d is None:
        return sizes
    return [Distribution("height, m", found.heights), *sizes]


def _bone_angles(found: Measures) -> tuple[Sequence[str], Array]:
    joints = found.good.absolute.double()
    starts, ends = map(list, zip(*found.skeleton.bones, strict=True))
    directions = torch.nn.functional.normalize(joints[:, ends] - joints[:, starts], dim=-1)
    angles = (directions * -found.up.double()[:, None]).sum(-1).clamp(-1, 1).acos().rad2deg().numpy()
    counts = [np.histogram(of_bone, _ANGLES, (0, 180))[0] for of_bone in angles.T]
    return found.skeleton.bone_names, np.stack(counts) / len(joints)
