"""How the joints of one named layout are made of another's, where their names or meanings differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from poseplug.core.geometry.joint_mapping import JointMapping, Shares, shares
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton

_SHOULDERS = ("LShoulder", "RShoulder")
# Human3.6M's head is the top of it. From the middle of the shoulders through the ears, it is half as far again: of a
# body of stature 1 the shoulders are at 0.818 and the eyes at 0.936 (Drillis and Contini, 1966).
_BEYOND = 1.5


def _top_of_head(*face: str) -> Shares:
    return dict.fromkeys(face, _BEYOND / len(face)) | dict.fromkeys(_SHOULDERS, (1 - _BEYOND) / 2)


# For each joint the ways to make it of joints with other names or meanings, the best first; a joint of the same name
# comes before all of them. Left and right are written once, as L.
_WAYS: dict[str, tuple[Any, ...]] = {
    "Hip": ("MidHip", "Pelvis", ("LHip", "RHip")),
    "LFoot": ("LAnkle",),
    "LAnkle": ("LFoot",),
    "Spine": ("Spine2", ("LHip", "RHip", *_SHOULDERS)),
    "Thorax": ("Neck", _SHOULDERS),
    "Neck": ("Thorax", _SHOULDERS),
    "Head": (
        *("HeadTop", _top_of_head("LEar", "REar"), _top_of_head("LEar"), _top_of_head("REar")),
        *(_top_of_head("LEye", "REye"), _top_of_head("Nose")),
    ),
    "HeadTop": ("Head",),
    "MidHip": ("Hip", "Pelvis", ("LHip", "RHip")),
    "Pelvis": ("Hip", "MidHip", ("LHip", "RHip")),
}
_ANKLES = {"LFoot": ("LAnkle",), "RFoot": ("RAnkle",)}
# Where words mean something else, from a layout to another; "h36m" is both of Human3.6M's, "" any other. Human3.6M's
# Neck lies between chin and nose, its Thorax is the base of the neck; SMPL's foot is the ball of it, its head the base
# of the skull. A layout's own line comes before that of its family.
_OTHERWISE: dict[tuple[str, str], dict[str, tuple[Any, ...]]] = {
    ("h36m16", "h36m"): {"Neck": (("Thorax", "Head"),)},
    ("smpl24", "h36m"): {"Neck": (("Neck", "Head"),), "Head": ("Head",), **_ANKLES},
    ("3dhp17", "h36m"): {"Head": ("HeadTop",)},
    ("3dhp28", "h36m"): {"Head": ("HeadTop",), **_ANKLES},
    ("", "h36m"): {"Neck": ("Nose", "UpperNeck", "Head", ("Neck", "HeadTop"))},
    ("h36m", ""): {"Neck": ("Thorax", _SHOULDERS)},
}
_H36M = ("h36m16", "h36m17")


def map_layout(source: Skeleton, target: Skeleton, own: Mapping[str, Any] = {}) -> JointMapping:
    """Return how poses of one layout become poses of another; what cannot be made is ``missing``.

    Args:
        source: the layout at hand, one of ``LAYOUTS`` or any other.
        target: the layout wanted.
        own: how some joints of the target are made, as ``JointMapping`` takes it, instead of what is known of them.

    Raises:
        PoseplugError: ``own`` names a joint that one of the two has not.
    """
    origins = {joint: ways for joint in target.joints if (ways := _ways(joint, source, target))}
    return JointMapping(source.joints, target.joints, {**origins, **own})


def _ways(joint: str, source: Skeleton, target: Skeleton) -> list[Shares]:
    """Return the ways to make a joint that the source has all joints for, the best first."""
    known = source.name if LAYOUTS.get(source.name) == source else ""
    family, wanted = ("h36m" if name in _H36M else "" for name in (known, target.name))
    tables = (_OTHERWISE.get(words, {}) for words in ((known, wanted), (family, wanted)))
    ways = next((table[joint] for table in tables if joint in table), (joint, *_of_both_sides(joint)))
    return [made for way in ways if {*(made := shares(way))} <= {*source.joints}]


def _of_both_sides(joint: str) -> tuple[Any, ...]:
    if joint.startswith("R") and "L" + joint[1:] in _WAYS:
        return tuple("R" + name[1:] for name in _WAYS["L" + joint[1:]])
    return _WAYS.get(joint, ())
