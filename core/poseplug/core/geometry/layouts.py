"""The skeletons that ship: Human3.6M with 16 joints (the papers' layout) and with 17."""

from __future__ import annotations

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.geometry.skeleton import Skeleton, Vector

_RIGHT: Vector = (1.0, 0.0, 0.0)
_LEFT: Vector = (-1.0, 0.0, 0.0)
_DOWN: Vector = (0.0, 1.0, 0.0)
_UP: Vector = (0.0, -1.0, 0.0)

# A person who faces the camera has their left side on the right of the image; all other bones hang down.
_REST: dict[str, Vector] = {
    **dict.fromkeys(("LHip", "LShoulder"), _RIGHT),
    **dict.fromkeys(("RHip", "RShoulder"), _LEFT),
    **dict.fromkeys(("Spine", "Thorax", "Neck", "Head"), _UP),
}
_LEGS = (("RHip", "Hip"), ("RKnee", "RHip"), ("RFoot", "RKnee"), ("LHip", "Hip"), ("LKnee", "LHip"), ("LFoot", "LKnee"))
_ARMS = (
    *(("LShoulder", "Thorax"), ("LElbow", "LShoulder"), ("LWrist", "LElbow")),
    *(("RShoulder", "Thorax"), ("RElbow", "RShoulder"), ("RWrist", "RElbow")),
)
_PAIRS = tuple(("L" + name, "R" + name) for name in ("Hip", "Knee", "Foot", "Shoulder", "Elbow", "Wrist"))
_LIMBS = {
    "left_arm": ("LShoulder", "LElbow", "LWrist"),
    "right_arm": ("RShoulder", "RElbow", "RWrist"),
    "left_leg": ("LHip", "LKnee", "LFoot"),
    "right_leg": ("RHip", "RKnee", "RFoot"),
}


def _h36m(name: str, spine: tuple[tuple[str, str], ...]) -> Skeleton:
    tree = (("Hip", ""), *_LEGS, *spine, *_ARMS)
    torso = ("Hip", *(joint for joint, _ in spine))
    return Skeleton(
        name=name,
        joints=tuple(joint for joint, _ in tree),
        parents=tuple(parent for _, parent in tree),
        pairs=_PAIRS,
        parts={**_LIMBS, "torso": torso},
        rest={joint: _REST.get(joint, _DOWN) for joint, parent in tree if parent},
        centre="Spine",
    )


H36M_16 = _h36m("h36m16", (("Spine", "Hip"), ("Thorax", "Spine"), ("Head", "Thorax")))
H36M_17 = _h36m("h36m17", (("Spine", "Hip"), ("Thorax", "Spine"), ("Neck", "Thorax"), ("Head", "Neck")))

LAYOUTS = {skeleton.name: skeleton for skeleton in (H36M_16, H36M_17)}


def layout(name: str) -> Skeleton:
    """Return a built-in skeleton by name (h36m16, h36m17); raise PoseplugError with a hint otherwise."""
    try:
        return LAYOUTS[name]
    except KeyError:
        raise PoseplugError(f"No skeleton is called '{name}'.{did_you_mean(name, LAYOUTS)}") from None
