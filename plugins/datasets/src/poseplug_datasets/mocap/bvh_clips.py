"""Finding BVH clips, and reading one as a person's joints in metres."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import torch
from torch import Tensor

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.joint_mapping import JointMapping
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton
from poseplug_datasets.mocap.bvh_file import read_bvh
from poseplug_datasets.mocap.bvh_pose import joint_positions
from poseplug_datasets.mocap.rigs import apply_names, detect, read_names

# Metres per unit. "cmu" is the unit of the CMU motion capture library, 1/0.45 inch.
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254, "cmu": 0.0254 / 0.45}
# Length of thigh and shin together, metres: an adult's, and from a child's to a giant's.
_ADULT_LEG = 0.86
_LEG_RANGE = (0.4, 1.3)
# From a file's joint names, and the file for messages, to where the skeleton's joints are among them.
Finder = Callable[[tuple[str, ...], str], JointMapping]
# What a clip's file name says of it; the first pattern that fits counts.
_NAME_PATTERNS = (
    r"dataset-\d+_(?P<action>[^_]+)_[^_]+_\d+",  # Bandai Namco: data set, action, style, number
    r"(?P<action>[A-Za-z]+)\d*_(?P<subject>subject\d+)",  # LAFAN1
)


def find_clips(path: Path) -> list[Path]:
    """Return the BVH files that a path means: itself, or all in a folder and below, sorted by file name.

    Raises:
        PoseplugError: there is no such path, or no BVH file in it.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise PoseplugError(f"There is no file or folder '{path}'; give path= a BVH file or a folder of them.")
    candidates = (file for file in path.rglob("*") if file.suffix.lower() == ".bvh" and not file.name.startswith("."))
    found = [file for file in candidates if file.is_file()]
    if not found:
        raise PoseplugError(f"The folder '{path}' holds no .bvh file; give path= a folder of BVH files.")
    return sorted(found, key=lambda file: (file.name, file))


def describe(clip: Path, pattern: str = "") -> tuple[str, str]:
    """Return the action and the subject that a clip's file name tells.

    Args:
        clip: the file.
        pattern: a regular expression with a group ``action``, and ``subject`` if the name tells it, that file names
            (without ``.bvh``) start with. By default the naming of known data sets; any other name is its own action,
            without the digits at its end. A name that tells no subject stands for that of its folder.
    """
    for candidate in (pattern,) if pattern else _NAME_PATTERNS:
        match = re.match(candidate if pattern else rf"{candidate}$", clip.stem)
        if match:
            groups = match.groupdict()
            return groups["action"], groups.get("subject") or clip.parent.name
    return clip.stem.rstrip("0123456789").rstrip("_- .") or clip.stem, clip.parent.name


def read_clip(
    path: Path | str,
    skeleton: Skeleton = H36M_16,
    *,
    names: Path | str | None = None,
    units: str = "auto",
    up: str = "auto",
    stride: int = 1,
) -> tuple[Tensor, tuple[str, ...]]:
    """Return where a person is in every frame of a BVH file.

    Args:
        path: the file.
        skeleton: the joints wanted.
        names: a file that maps them to the BVH's joints (see ``read_names``); known rigs need none.
        units: "auto", a name in UNITS, or metres per unit as a number.
        up: the file's vertical axis: "y", "z" or "auto".
        stride: keep every so many frames.

    Returns:
        joints [F, J, 3] in a world with y up, metres, float32; and the names of the J joints.

    Raises:
        PoseplugError: the file is damaged, or its joints or its unit are not understood.
    """
    problem = check_units(units)
    if problem:
        raise PoseplugError(f"units {problem}.")
    joints = load(Path(path).expanduser(), skeleton, mapper(skeleton, names), units=units, stride=stride)
    return turned_up(joints, up_axis([joints], skeleton) if up == "auto" else up), skeleton.joints


def mapper(skeleton: Skeleton, names: Path | str | None) -> Finder:
    """Return what finds a skeleton's joints among a file's, by a map of the user's own or by the built-in rigs.

    Each distinct list of joints is looked at once.
    """
    chosen = read_names(Path(names).expanduser(), skeleton) if names else None
    known: dict[tuple[str, ...], JointMapping] = {}

    def find(joints: tuple[str, ...], where: str) -> JointMapping:
        if joints not in known:
            known[joints] = apply_names(chosen, joints, skeleton, where) if chosen else detect(joints, skeleton, where)
        return known[joints]

    return find


def load(
    path: Path,
    skeleton: Skeleton,
    find: Finder,
    *,
    units: str = "auto",
    stride: int = 1,
) -> Tensor:
    """Return the joints [F, J, 3] of a file in metres, float32, in the file's own axes."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        changed = 0  # reading it says what is wrong
    names, positions = _CLIPS.positions(path, stride, changed)
    joints = find(names, f"'{path}'")(positions)
    scale = metres_per_unit(joints, skeleton, f"'{path}'") if units == "auto" else UNITS.get(units) or float(units)
    return (joints * scale).float()


@attrs.define
class _Clips:
    """Clips that were read: a run reads a folder several times, to train and to evaluate, and a grid for every cell.

    So many bytes of them are kept, the first ones: who reads a larger folder from its beginning again and again would
    find nothing if the oldest made room for the newest.
    """

    room: int
    _known: dict[tuple[Path, int, int], tuple[tuple[str, ...], Tensor]] = attrs.field(factory=dict)

    def positions(self, path: Path, stride: int, changed: int) -> tuple[tuple[str, ...], Tensor]:
        """Return the names of a file's joints, and their positions [F, K, 3] in its own unit; do not write into them.

        Args:
            path: the file.
            stride: keep every so many frames.
            changed: when it was, in any unit.
        """
        key = path.absolute(), stride, changed
        if key in self._known:
            return self._known[key]
        clip = read_bvh(path)
        positions = joint_positions(clip, stride)
        if positions.nbytes <= self.room:
            self.room -= positions.nbytes
            self._known[key] = clip.names, positions
        return clip.names, positions


_CLIPS = _Clips(room=256 * 2**20)


def check_units(units: str) -> str | None:
    """Return what is wrong with a ``units`` setting, or None."""
    if units == "auto" or units in UNITS:
        return None
    try:
        good = 0 < float(units) < math.inf
    except ValueError:
        good = False
    return None if good else f"must be auto, {', '.join(UNITS)} or metres per unit as a positive number; got '{units}'"


def metres_per_unit(joints: Tensor, skeleton: Skeleton, where: str) -> float:
    """Return the unit of joints [F, J, 3] under which the legs are the likeliest for a person.

    Raises:
        PoseplugError: no unit gives a person's legs.
    """
    legs = [[skeleton.index(side + joint) for joint in ("Hip", "Knee", "Foot")] for side in "RL"]
    bones = joints[:, legs].diff(dim=2).norm(dim=-1)
    leg = float(bones.sum(-1).median())
    likely = {name: leg * scale for name, scale in UNITS.items() if _LEG_RANGE[0] <= leg * scale <= _LEG_RANGE[1]}
    if not likely:
        raise PoseplugError(
            f"{where}: the legs are {leg:.4g} units long, which is a person's in none of {', '.join(UNITS)}; "
            "give units= a name or metres per unit."
        )
    return UNITS[min(likely, key=lambda name: abs(math.log(likely[name] / _ADULT_LEG)))]


def up_axis(clips: Sequence[Tensor], skeleton: Skeleton) -> str:
    """Return "y" or "z", whichever heads are further above feet on, over all clips [F, J, 3] together."""
    head, feet = skeleton.index("Head"), [skeleton.index("LFoot"), skeleton.index("RFoot")]
    body = sum((joints[:, head] - joints[:, feet].mean(1)).sum(0) for joints in clips)
    assert isinstance(body, Tensor), "there is at least one clip"
    return "z" if float(body[2]) > float(body[1]) else "y"


def turned_up(joints: Tensor, up: str) -> Tensor:
    """Return joints [F, J, 3] with the vertical axis ``up`` ("y" or "z") turned to y."""
    if up == "y":
        return joints
    x, y, z = joints.unbind(-1)
    return torch.stack([x, z, -y], dim=-1)
