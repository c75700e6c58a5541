"""Which BVH joint is which joint of a skeleton: built-in maps for common rigs, and maps of the user's own."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.geometry.joint_mapping import JointMapping
from poseplug.core.geometry.layouts import H36M_17
from poseplug.core.geometry.skeleton import Skeleton

# A joint that a map need not name: where it is missing, it is put in the middle of these two.
MIDPOINTS = {"Neck": ("Thorax", "Head")}
_PREFIX = re.compile(r"^(.*:|character\d*_|bip\d+[ _]+)(?=.)", re.IGNORECASE)


def _limbs(leg: str, arm: str) -> dict[str, str]:
    """Name hip, knee, foot and shoulder, elbow, wrist of both sides; {S} stands for Left/Right, {s} for l/r."""
    joints = dict(zip(("Hip", "Knee", "Foot"), leg.split(), strict=True))
    joints |= dict(zip(("Shoulder", "Elbow", "Wrist"), arm.split(), strict=True))
    return {
        side[0] + joint: name.format(S=side, s=side[0].lower())
        for side in ("Right", "Left")
        for joint, name in joints.items()
    }


# For each rig the BVH joint of every H36M joint; "a|b": the first of these that the file has. Names are compared
# without case, separators and the prefixes that exporters add ("mixamorig:Hips", "Character1_Hips", "Bip01 L Thigh").
# Thorax is the base of the neck and Spine a joint about half-way up the back.
RIGS: Mapping[str, Mapping[str, str]] = {
    # Bandai Namco Research Motiondataset 1 and 2; the choice of joints is that of the lab-to-wild benchmark.
    "bandai": _limbs("UpperLeg_{s} LowerLeg_{s} Foot_{s}", "UpperArm_{s} LowerArm_{s} Hand_{s}")
    | {"Hip": "Hips", "Spine": "Spine", "Thorax": "Neck", "Head": "Head"},
    # MotionBuilder names: CMU (cgspeed's conversion, whose Neck1 is the middle of the neck), Mixamo, LAFAN1.
    "motionbuilder": _limbs("{S}UpLeg {S}Leg {S}Foot", "{S}Arm {S}ForeArm {S}Hand")
    | {"Hip": "Hips", "Spine": "Spine1|Spine", "Thorax": "Neck", "Neck": "Neck1", "Head": "Head"},
    # Xsens MVN, Biovision and 3ds Max friendly CMU.
    "biovision": _limbs("{S}Hip {S}Knee {S}Ankle", "{S}Shoulder {S}Elbow {S}Wrist")
    | {"Hip": "Hips", "Spine": "Chest3|Chest2|Chest", "Thorax": "Neck", "Head": "Head"},
    # Poser and Daz.
    "poser": _limbs("{s}Thigh {s}Shin {s}Foot", "{s}Shldr {s}ForeArm {s}Hand")
    | {"Hip": "hip", "Spine": "chest", "Thorax": "neck", "Head": "head"},
    # 3ds Max Biped.
    "biped": _limbs("{s}Thigh {s}Calf {s}Foot", "{s}UpperArm {s}Forearm {s}Hand")
    | {"Hip": "Pelvis", "Spine": "Spine1|Spine", "Thorax": "Neck", "Head": "Head"},
    # SMPL and SMPL-X, with their short and long names.
    "smpl": _limbs(
        "{s}_Hip|{S}_Hip {s}_Knee|{S}_Knee {s}_Ankle|{S}_Ankle",
        "{s}_Shoulder|{S}_Shoulder {s}_Elbow|{S}_Elbow {s}_Wrist|{S}_Wrist",
    )
    | {"Hip": "Pelvis", "Spine": "Spine2", "Thorax": "Neck", "Head": "Head"},
    # Unreal Engine's mannequin.
    "unreal": _limbs("thigh_{s} calf_{s} foot_{s}", "upperarm_{s} lowerarm_{s} hand_{s}")
    | {"Hip": "pelvis", "Spine": "spine_02", "Thorax": "neck_01", "Head": "head"},
    # Poses that poseplug has lifted: joints have the names of the skeleton.
    "poseplug": {joint: joint for joint in H36M_17.joints},
}


def detect(names: Sequence[str], skeleton: Skeleton, where: str) -> JointMapping:
    """Return the mapping of the first built-in rig that fits a file's joint names.

    Args:
        names: the file's joints and end sites.
        skeleton: the layout wanted.
        where: the file, for messages.

    Raises:
        PoseplugError: no rig fits; names the nearest and the joints it lacks.
    """
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(_plain(name), name)
    lacking: dict[str, list[str]] = {}
    for rig, wanted in RIGS.items():
        found = {joint: at for joint, name in wanted.items() if (at := _first(name, plain)) is not None}
        mapping = _mapping(found, names, skeleton)
        if not mapping.missing:
            return mapping
        lacking[rig] = [f"{wanted.get(joint, '?')} for {joint}" for joint in mapping.missing]
    nearest = min(lacking, key=lambda rig: len(lacking[rig]))
    raise PoseplugError(
        f"{where}: the joint names fit none of the known rigs ({', '.join(RIGS)}); nearest is '{nearest}', which lacks "
        f'{", ".join(lacking[nearest])}. Give a map of your own with names=FILE.toml (lines such as Hip = "pelvis"); '
        f"the file has: {', '.join(names)}."
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9/]", "", _PREFIX.sub("", name).lower())


def _first(alternatives: str, plain: Mapping[str, str]) -> str | None:
    return next((plain[key] for name in alternatives.split("|") if (key := _plain(name)) in plain), None)


def read_names(path: Path, skeleton: Skeleton) -> dict[str, str]:
    """Return a map of the user's own: TOML or JSON with a BVH joint or end site for each joint of the skeleton.

    End sites are called after their joint: ``Head = "Head/End"``. Neck may be left out; it is then put half-way between
    Thorax and Head.

    Raises:
        PoseplugError: the file cannot be read, or names a joint the skeleton has not, or leaves one out.
    """
    try:
        text = path.read_text(encoding="utf-8")
        names = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise PoseplugError(f"Cannot read the joint map '{path}': {error.strerror or error}; check names=.") from None
    except ValueError as error:
        raise PoseplugError(f"The joint map '{path}' is not valid TOML or JSON: {error}; correct it.") from None
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise PoseplugError(f"The joint map '{path}' must hold lines such as Hip = \"pelvis\" and nothing else.")
    for joint in names:
        if joint not in skeleton.joints and joint not in MIDPOINTS:
            hint = did_you_mean(joint, skeleton.joints)
            raise PoseplugError(f"The joint map '{path}' names '{joint}', which '{skeleton.name}' has not.{hint}")
    missing = [joint for joint in skeleton.joints if joint not in names and joint not in MIDPOINTS]
    if missing:
        raise PoseplugError(f"The joint map '{path}' leaves out {', '.join(missing)}; name a BVH joint for each.")
    return names


def apply_names(chosen: Mapping[str, str], names: Sequence[str], skeleton: Skeleton, where: str) -> JointMapping:
    """Return the mapping that a user's choice of joints means in a file with these joint names.

    Raises:
        PoseplugError: the file has no such joint.
    """
    for joint, name in chosen.items():
        if joint in skeleton.joints and name not in names:
            hint = did_you_mean(name, names)
            raise PoseplugError(f"{where} has no joint '{name}', which the joint map gives for {joint}.{hint}")
    return _mapping(chosen, names, skeleton)


def _mapping(found: Mapping[str, str], names: Sequence[str], skeleton: Skeleton) -> JointMapping:
    """Map a file's joints by which of them was found for each of the skeleton's."""
    ends = {joint: (joint,) if joint in found else MIDPOINTS.get(joint, ()) for joint in skeleton.joints}
    origins = {joint: tuple(found[end] for end in made if end in found) for joint, made in ends.items()}
    return JointMapping(tuple(names), skeleton.joints, origins)
