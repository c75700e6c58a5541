"""Skeletons by name: Human3.6M with 16 joints (the papers' layout) and 17, and those of detectors and data sets."""

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

# What poses can be made in: the layouts of sources that have bodies of their own.
H36M_LAYOUTS = {skeleton.name: skeleton for skeleton in (H36M_16, H36M_17)}


def _listed(name: str, joints: str) -> Skeleton:
    """Return a layout from its joints, "joint<parent" each; L... and R... of one name are a pair."""
    split = [joint.partition("<") for joint in joints.split()]
    names = tuple(joint for joint, _, _ in split)
    pairs = tuple((left, "R" + left[1:]) for left in names if left[0] == "L" and "R" + left[1:] in names)
    hanging = ("Elbow", "Wrist", "Hand", "Knee", "Ankle", "Foot", "Heel", "Toe", "Thumb", "Index", "Pinky")
    rest = {joint: _UP for joint in names if not joint.endswith(hanging)}
    sides = ("Shoulder", "Clavicle", "Collar", "Hip", "Eye", "Ear", "EyeInner", "EyeOuter", "Mouth")
    rest |= {joint: _RIGHT if joint[0] == "L" else _LEFT for pair in pairs for joint in pair if joint[1:] in sides}
    return Skeleton(name, names, tuple(parent for _, _, parent in split), pairs=pairs, rest=rest)


_COCO_FACE = "Nose LEye<Nose REye<Nose LEar<LEye REar<REye"
_COCO_LIMBS = (
    "LElbow<LShoulder RElbow<RShoulder LWrist<LElbow RWrist<RElbow LHip<{L} RHip<{R} "
    "LKnee<LHip RKnee<RHip LAnkle<LKnee RAnkle<RKnee"
)
_BODY_18 = "Nose<Neck Neck RShoulder<Neck RElbow<RShoulder RWrist<RElbow LShoulder<Neck LElbow<LShoulder LWrist<LElbow"
_LEGS_RL = "RHip<{0} RKnee<RHip RAnkle<RKnee LHip<{0} LKnee<LHip LAnkle<LKnee"
_FEET = "LBigToe<LAnkle LSmallToe<LAnkle LHeel<LAnkle RBigToe<RAnkle RSmallToe<RAnkle RHeel<RAnkle"
_FACE_18 = "REye<Nose LEye<Nose REar<REye LEar<LEye"
_ARMS_RL = "RShoulder<{0} RElbow<RShoulder RWrist<RElbow LShoulder<{0} LElbow<LShoulder LWrist<LElbow"

# Orders of joints: the pages of the formats. Trees over points that are not joints, such as eyes, are for drawing.
_OTHERS = (
    # COCO: https://cocodataset.org/#keypoints-2020
    _listed("coco17", f"{_COCO_FACE} LShoulder<Nose RShoulder<Nose {_COCO_LIMBS.format(L='LShoulder', R='RShoulder')}"),
    # OpenPose: https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md
    _listed("openpose25", f"{_BODY_18} MidHip<Neck {_LEGS_RL.format('MidHip')} {_FACE_18} {_FEET}"),
    _listed("openpose18", f"{_BODY_18} {_LEGS_RL.format('Neck')} {_FACE_18}"),
    _listed(
        "openpose15",
        f"HeadTop<Neck Neck {_ARMS_RL.format('Neck')} {_LEGS_RL.format('Chest')} Chest<Neck",
    ),
    # Halpe: https://github.com/Fang-Haoshu/Halpe-FullBody
    _listed(
        "halpe26",
        f"Nose<Neck {_COCO_FACE.removeprefix('Nose ')} LShoulder<Neck RShoulder<Neck "
        f"{_COCO_LIMBS.format(L='MidHip', R='MidHip')} HeadTop<Nose Neck<MidHip MidHip "
        "LBigToe<LAnkle RBigToe<RAnkle LSmallToe<LAnkle RSmallToe<RAnkle LHeel<LAnkle RHeel<RAnkle",
    ),
    # MediaPipe: https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
    _listed(
        "mediapipe33",
        "Nose LEyeInner<Nose LEye<LEyeInner LEyeOuter<LEye REyeInner<Nose REye<REyeInner REyeOuter<REye "
        "LEar<LEyeOuter REar<REyeOuter LMouth<Nose RMouth<Nose LShoulder<Nose RShoulder<Nose "
        "LElbow<LShoulder RElbow<RShoulder LWrist<LElbow RWrist<RElbow LPinky<LWrist RPinky<RWrist "
        "LIndex<LWrist RIndex<RWrist LThumb<LWrist RThumb<RWrist LHip<LShoulder RHip<RShoulder LKnee<LHip RKnee<RHip "
        "LAnkle<LKnee RAnkle<RKnee LHeel<LAnkle RHeel<RAnkle LFootIndex<LAnkle RFootIndex<RAnkle",
    ),
    # MPII: http://human-pose.mpi-inf.mpg.de
    _listed(
        "mpii16",
        "RAnkle<RKnee RKnee<RHip RHip<Pelvis LHip<Pelvis LKnee<LHip LAnkle<LKnee Pelvis Thorax<Pelvis "
        "UpperNeck<Thorax HeadTop<UpperNeck RWrist<RElbow RElbow<RShoulder RShoulder<Thorax LShoulder<Thorax "
        "LElbow<LShoulder LWrist<LElbow",
    ),
    # MPI-INF-3DHP: mpii_get_joint_set.m of its download; the 17 are those of its test set and of MuPoTS-3D.
    _listed(
        "3dhp17",
        f"HeadTop<Head Neck<Spine {_ARMS_RL.format('Neck')} {_LEGS_RL.format('Pelvis')} Pelvis Spine<Pelvis Head<Neck",
    ),
    _listed(
        "3dhp28",
        "Spine3<Spine2 Spine4<Spine3 Spine2<Spine Spine<Pelvis Pelvis Neck<Spine4 Head<Neck HeadTop<Head "
        "LClavicle<Neck LShoulder<LClavicle LElbow<LShoulder LWrist<LElbow LHand<LWrist "
        "RClavicle<Neck RShoulder<RClavicle RElbow<RShoulder RWrist<RElbow RHand<RWrist "
        "LHip<Pelvis LKnee<LHip LAnkle<LKnee LFoot<LAnkle LToe<LFoot "
        "RHip<Pelvis RKnee<RHip RAnkle<RKnee RFoot<RAnkle RToe<RFoot",
    ),
    # SMPL: https://smpl.is.tue.mpg.de
    _listed(
        "smpl24",
        "Pelvis LHip<Pelvis RHip<Pelvis Spine1<Pelvis LKnee<LHip RKnee<RHip Spine2<Spine1 LAnkle<LKnee RAnkle<RKnee "
        "Spine3<Spine2 LFoot<LAnkle RFoot<RAnkle Neck<Spine3 LCollar<Spine3 RCollar<Spine3 Head<Neck "
        "LShoulder<LCollar RShoulder<RCollar LElbow<LShoulder RElbow<RShoulder LWrist<LElbow RWrist<RElbow "
        "LHand<LWrist RHand<RWrist",
    ),
    # CMU Panoptic: https://github.com/CMU-Perceptual-Computing-Lab/panoptic-toolbox
    _listed(
        "panoptic15",
        "Neck<MidHip Nose<Neck MidHip LShoulder<Neck LElbow<LShoulder LWrist<LElbow LHip<MidHip LKnee<LHip "
        "LAnkle<LKnee RShoulder<Neck RElbow<RShoulder RWrist<RElbow RHip<MidHip RKnee<RHip RAnkle<RKnee",
    ),
)

LAYOUTS = H36M_LAYOUTS | {skeleton.name: skeleton for skeleton in _OTHERS}


def layout(name: str) -> Skeleton:
    """Return a skeleton by name (h36m16, coco17, ...); raise PoseplugError with a hint if there is none."""
    try:
        return LAYOUTS[name]
    except KeyError:
        raise PoseplugError(f"No skeleton is called '{name}'.{did_you_mean(name, LAYOUTS)}") from None
