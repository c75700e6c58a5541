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
# Human3.6M's seventeenth joint is called Neck, and lies between chin and nose; its Thorax is the base of the neck.
_H36M_17: dict[str, tuple[Any, ...]] = {"Neck": ("Nose", "UpperNeck", "Head", ("Neck", "HeadTop"))}
# Where a layout's own word means something else: SMPL's foot is the ball of it and its head the base of the skull.
_OF_SOURCE: dict[str, dict[str, tuple[Any, ...]]] = {
    "h36m16": {"Neck": (("Thorax", "Head"),)},
    "smpl24": {"Neck": (("Neck", "Head"),), "LFoot": ("LAnkle",), "RFoot": ("RAnkle",), "Head": ("Head",)},
    "3dhp17": {"Head": ("HeadTop",)},
    "3dhp28": {"Head": ("HeadTop",), "LFoot": ("LAnkle",), "RFoot": ("RAnkle",)},
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
    known_source = source.name if LAYOUTS.get(source.name) == source else ""
    ways: tuple[Any, ...] = (joint, *_of_both_sides(joint))
    if target.name in _H36M and known_source not in _H36M:
        if joint == "Neck":
            ways = _H36M_17["Neck"]
        if known_source in _OF_SOURCE and joint in _OF_SOURCE[known_source]:
            ways = _OF_SOURCE[known_source][joint]
    elif known_source == "h36m16" and joint == "Neck":
        ways = _OF_SOURCE["h36m16"]["Neck"]
    return [made for way in ways if {*(made := shares(way))} <= {*source.joints}]


def _of_both_sides(joint: str) -> tuple[Any, ...]:
    if joint.startswith("R") and "L" + joint[1:] in _WAYS:
        return tuple("R" + name[1:] for name in _WAYS["L" + joint[1:]])
    return _WAYS.get(joint, ())
