"""Tiny data sets in the layouts in which they are published, written and projected by formulas of their own."""

import io
import math
import pickle
import struct

import h5py
import numpy as np
import scipy.io

RNG = np.random.default_rng(1)

# Human3.6M, S1 and S9 as the fact sheets print them: the first and third camera. mm.
QUATERNIONS = {
    ("S1", 0): (0.14071, -0.15007, -0.75524, 0.62233),
    ("S1", 2): (0.14651, -0.14648, 0.76530, -0.60942),
    ("S9", 1): (0.61878, -0.76347, -0.14132, 0.11934),
    ("S11", 3): (0.58943, -0.78189, 0.13991, -0.14715),
}
CENTRES = {
    ("S1", 0): (1841.1, 4955.3, 1563.4),
    ("S1", 2): (-1846.8, 5215.0, 1492.0),
    ("S9", 1): (1991.0, -5123.8, 1568.8),
    ("S11", 3): (-1590.7, -3854.2, 1578.0),
}
INTRINSICS = {
    0: ((1145.0494, 1143.7811), (512.5415, 515.4515), (-0.207099, 0.247775, -0.003075), (-0.000976, -0.001424)),
    1: ((1149.6757, 1147.5917), (508.8486, 508.0649), (-0.194214, 0.240409, 0.006820), (-0.001619, -0.002741)),
    2: ((1149.1407, 1148.7990), (519.8159, 501.4026), (-0.208338, 0.255488, -0.002460), (0.001484, -0.000760)),
    3: ((1145.5114, 1144.7739), (514.9682, 501.8820), (-0.198384, 0.218324, -0.008948), (-0.000587, -0.001813)),
}
H36M_32 = {
    "Hip": 0,
    "RHip": 1,
    "RKnee": 2,
    "RFoot": 3,
    "LHip": 6,
    "LKnee": 7,
    "LFoot": 8,
    "Spine": 12,
    "Thorax": 13,
    "Neck": 14,
    "Head": 15,
    "LShoulder": 17,
    "LElbow": 18,
    "LWrist": 19,
    "RShoulder": 25,
    "RElbow": 26,
    "RWrist": 27,
}
ORDER_17 = tuple(H36M_32)
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
TAKES = ("Sitting", "SittingDown 1", "Sitting 1", "Greeting", "Waiting 1", "WalkDog")


def to_camera(points, subject, camera):
    """Human3.6M's world to camera, by the quaternion's conjugate; [.., 3] metres."""
    w, *xyz = np.array(QUATERNIONS[subject, camera]) / np.linalg.norm(QUATERNIONS[subject, camera])
    axis = -np.array(xyz)
    moved = points - np.array(CENTRES[subject, camera]) / 1000
    twice = 2 * np.cross(axis, moved)
    return moved + w * twice + np.cross(axis, twice)


def to_pixels(points, camera):
    """Human3.6M's projection: radial and tangential distortion as PoseAug and VideoPose3D compute it."""
    (fx, fy), (cx, cy), k, p = INTRINSICS[camera]
    x, y = points[..., 0] / points[..., 2], points[..., 1] / points[..., 2]
    r2 = x * x + y * y
    scale = 1 + k[0] * r2 + k[1] * r2**2 + k[2] * r2**3 + p[0] * x + p[1] * y
    return np.stack([fx * (x * scale + p[0] * r2) + cx, fy * (y * scale + p[1] * r2) + cy], -1)


def h36m_people(frames=4):
    """{subject: {take: [T, 32, 3]}}: points about a metre above the origin."""
    return {
        subject: {
            take: (RNG.normal(0, 0.3, (frames + i, 32, 3)) + np.array([0, 0, 1])).astype(np.float32)
            for i, take in enumerate(TAKES)
        }
        for subject in SUBJECTS
    }


def write_h36m(path, people=None):
    people = people or h36m_people()
    np.savez_compressed(path, positions_3d=people)
    return people


SYMMETRY = {17: [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]], 16: [[4, 5, 6, 10, 11, 12], [1, 2, 3, 13, 14, 15]]}


def h36m_pixels(people, order=ORDER_17, longer=0):
    """{subject: {take: [4 x [T', J, 2]]}}: numbers that tell subject, take, camera, frame and joint apart."""
    found = {}
    for s, (subject, takes) in enumerate(people.items()):
        found[subject] = {}
        for t, (take, positions) in enumerate(takes.items()):
            size = (len(positions) + longer, len(order), 2)
            base = np.arange(np.prod(size)).reshape(size)
            found[subject][take] = [(base + 1000 * s + 100 * t + 10 * c).astype(np.float32) for c in range(4)]
    return found


def write_detections(path, found, symmetry=None, **metadata):
    if symmetry:
        metadata["keypoints_symmetry"] = symmetry
    np.savez_compressed(path, positions_2d=found, metadata=metadata)


# MPI-INF-3DHP. A pinhole camera that looks at people 4 m away.
CALIBRATION = """Skeleton Camera Calibration File V1.0
"""
FOCAL, CENTRE = (1500.0, 1510.0), (1020.0, 1040.0)


def pinhole(points, focal=FOCAL, centre=CENTRE):
    return points[..., :2] / points[..., 2:] * focal + centre


def people_mm(frames, joints, rng=RNG):
    return rng.normal(0, 400, (frames, joints, 3)) + np.array([100, -50, 4000])


def write_calibration(path, cameras=14):
    blocks = []
    for i in range(cameras):
        k = f"{FOCAL[0] + i} 0 {CENTRE[0]} 0 0 {FOCAL[1]} {CENTRE[1]} 0 0 0 1 0 0 0 0 1"
        pose = "1 0 0 10 0 1 0 20 0 0 1 30 0 0 0 1"
        blocks.append(
            f"name          {i}\n  sensor      10 10\n  size        2048 2048\n  animated    0\n"
            f"  intrinsic   {k} \n  extrinsic   {pose} \n  radial      0\n"
        )
    path.write_text(CALIBRATION + "".join(blocks))


def cells(arrays):
    column = np.empty((len(arrays), 1), object)
    for i, array in enumerate(arrays):
        column[i, 0] = array
    return column


def write_3dhp_train(folder, frames=5, compress=True):
    """Write S*/Seq*; return {(subject, sequence): poses [14, T, 28, 3] mm}."""
    written = {}
    for subject, sequence in (("S1", "Seq1"), ("S1", "Seq2"), ("S7", "Seq1")):
        home = folder / subject / sequence
        home.mkdir(parents=True)
        poses = np.stack([people_mm(frames, 28) for _ in range(14)])
        pixels = [pinhole(pose, (FOCAL[0] + i, FOCAL[1])) for i, pose in enumerate(poses)]
        facts = {
            "annot2": cells([pixel.reshape(frames, -1) for pixel in pixels]),
            "annot3": cells([pose.reshape(frames, -1) for pose in poses]),
            "univ_annot3": cells([pose.reshape(frames, -1) * 1.1 for pose in poses]),
            "frames": np.arange(frames, dtype=np.uint16)[:, None],
            "cameras": np.arange(14, dtype=np.uint8)[None],
        }
        scipy.io.savemat(home / "annot.mat", facts, do_compression=compress)
        write_calibration(home / "camera.calibration")
        written[subject, sequence] = poses
    return written


def write_3dhp_test(folder, frames=7, names=("TS1", "TS5")):
    """Write TS*; return {name: (poses [T, 17, 3] mm, valid [T])}."""
    written = {}
    for name in names:
        (folder / name).mkdir(parents=True)
        poses, valid = people_mm(frames, 17), np.arange(frames) % 3 != 1
        centre = CENTRE if name == "TS1" else (960.0, 540.0)
        with h5py.File(folder / name / "annot_data.mat", "w") as file:
            file["annot2"] = pinhole(poses, FOCAL, centre)[:, None]
            file["annot3"] = poses[:, None]
            file["univ_annot3"] = poses[:, None] * 0.9
            file["valid_frame"] = valid.astype(float)[None]
            file["activity_annotation"] = (np.arange(frames) // 3 + 1.0)[None]
            file["bb_crop"] = np.zeros((4, frames))
        written[name] = poses, valid
    return written


def write_3dhp_poseaug(path, frames=6):
    absolute = RNG.normal(0, 0.4, (frames, 16, 3)) + np.array([0.2, -0.1, 4])
    image = absolute[..., :2] / absolute[..., 2:] * 1499.205
    np.savez(path, pose3d=absolute - absolute[:, :1], pose2d=image / 1024)
    return absolute, image / 1024


# 3DPW, as Python 2 wrote it.
class Python2(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def save_text(self, value):
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(b"T" + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    def save_global(self, value, name=None):
        self.write(f"c{value.__module__.replace('numpy._core', 'numpy.core')}\n{value.__name__}\n".encode())
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_text
    dispatch[type] = dispatch[type(len)] = save_global


def write_pickle(path, value):
    stream = io.BytesIO()
    Python2(stream, 2).dump(value)
    path.write_bytes(stream.getvalue())


def turn(angle):
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def pw3d_sequence(frames=6, people=2, size=(1080, 1920)):
    poses = np.tile(np.eye(4), (frames, 1, 1))
    for i in range(frames):
        poses[i, :3, :3], poses[i, :3, 3] = turn(0.1 * i), (0.1 * i, 0.5, 4)
    detected = RNG.uniform(0, 1000, (people, frames, 3, 18))
    detected[..., 2, :] = 0.5
    return {
        "sequence": "courtyard_00",
        "poses": [RNG.normal(size=(frames, 72)) for _ in range(people)],
        "betas": [RNG.normal(size=300) for _ in range(people)],
        "trans": [RNG.normal(size=(frames, 3)) for _ in range(people)],
        "jointPositions": [RNG.normal(0, 0.4, (frames, 72)) for _ in range(people)],
        "poses2d": list(detected),
        "campose_valid": [(np.arange(frames) != i + 1).astype(int) for i in range(people)],
        "genders": ["m", "f"][:people],
        "img_frame_ids": np.arange(frames),
        "cam_poses": poses,
        "cam_intrinsics": np.array([[1961.0, 0, size[0] / 2], [0, 1969.0, size[1] / 2], [0, 0, 1]]),
        "texture_maps": [],
    }


def write_pw3d(folder, **sequences):
    home = folder / "sequenceFiles" / "test"
    home.mkdir(parents=True)
    for name, sequence in sequences.items():
        write_pickle(home / f"{name}.pkl", sequence)
    return folder
