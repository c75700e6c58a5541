"""Tiny data sets of several people in the layouts in which they are published, written by formulas of their own."""

import json

import numpy as np
import scipy.io

from poseplug.core.geometry.layouts import LAYOUTS

RNG = np.random.default_rng(7)
ORDER_19 = [
    *("Neck", "Nose", "BodyCenter", "lShoulder", "lElbow", "lWrist", "lHip", "lKnee", "lAnkle"),
    *("rShoulder", "rElbow", "rWrist", "rHip", "rKnee", "rAnkle", "lEye", "lEar", "rEye", "rEar"),
]
K = ((1396.5, 0.0, 951.0), (0.0, 1393.5, 525.0), (0.0, 0.0, 1.0))
LENS = (-0.2, 0.15, 0.002, -0.003, 0.04)
SEQUENCES = ("160224_haggling1", "160906_pizza1")


def dome_camera(angle, distance=500.0, height=120.0):
    """R and t, centimetres, of a camera that looks level at the middle of a world whose y axis points down."""
    centre = np.array([np.sin(angle) * distance, -height, np.cos(angle) * distance])
    forward = np.array([-np.sin(angle), 0, -np.cos(angle)])
    down = np.array([0.0, 1, 0])
    rotation = np.stack([np.cross(down, forward), down, forward])
    return rotation, -rotation @ centre


CAMERAS = {"00_16": dome_camera(0.3), "00_30": dome_camera(2.4), "00_03": dome_camera(-1.0)}


def bodies_of(frame, rng=RNG):
    """{number: [19, 4]}: two or three people about a metre above the ground, sure of all joints."""
    return {
        number: np.c_[rng.normal((90.0 * (number - 1), -100, 20 * frame), 25, (19, 3)), rng.uniform(0.3, 0.9, 19)]
        for number in range(2 + frame % 2)
    }


def write_sequence(folder, frames, cameras=CAMERAS):
    """Write a sequence: for each frame {number: [19, 4]}."""
    poses = folder / "hdPose3d_stage1_coco19"
    poses.mkdir(parents=True, exist_ok=True)
    for number, bodies in enumerate(frames):
        listed = [{"id": who, "joints19": body.ravel().tolist()} for who, body in bodies.items()]
        said = {"version": 0.7, "univTime": 1.0, "fpsType": "hd_29_97", "bodies": listed}
        (poses / f"body3DScene_{number + 140:08d}.json").write_text(json.dumps(said))
    listed = [
        {
            "name": name,
            "type": "hd",
            "resolution": [1920, 1080],
            "panel": int(name[:2]),
            "node": int(name[3:]),
            "K": [list(row) for row in K],
            "distCoef": list(LENS),
            "R": rotation.tolist(),
            "t": shift[:, None].tolist(),
        }
        for name, (rotation, shift) in cameras.items()
    ]
    said = {"calibDataSource": "x", "cameras": listed}
    (folder / f"calibration_{folder.name}.json").write_text(json.dumps(said))


def write_dome(folder, frames=4, sequences=SEQUENCES):
    """Write sequences, and return what they hold: {sequence: [{number: [19, 4]}]}."""
    found = {name: [bodies_of(frame) for frame in range(frames)] for name in sequences}
    for name, bodies in found.items():
        write_sequence(folder / name, bodies)
    return found


def opencv(points, lens=LENS):
    """Project camera-frame points [..., 3] as the toolbox does."""
    (fx, _, cx), (_, fy, cy), _ = K
    k1, k2, p1, p2, k3 = lens
    x, y = points[..., 0] / points[..., 2], points[..., 1] / points[..., 2]
    r = x * x + y * y
    radial = 1 + k1 * r + k2 * r**2 + k3 * r**3
    u = x * radial + 2 * p1 * x * y + p2 * (r + 2 * x * x)
    v = y * radial + 2 * p2 * x * y + p1 * (r + 2 * y * y)
    return np.stack([fx * u + cx, fy * v + cy], -1)


MUPOTS_FOCAL, MUPOTS_CENTRE = (1505.0, 1501.0), {1: (1020.0, 1040.0), 6: (960.0, 545.0)}


def mupots_people(sequence, frames=5, people=3, rng=RNG):
    """{(frame, person): annotations}; one of them is not valid, and one frame has nobody."""
    found = {}
    for frame in range(frames):
        for person in range(people):
            joints = rng.normal((900.0 * (person - 1), 50, 3500 + 700 * person + 50 * frame), 300, (17, 3))
            pixels = joints[:, :2] / joints[:, 2:] * MUPOTS_FOCAL + MUPOTS_CENTRE[sequence]
            valid = not (person == 1 and frame == 0) and frame != 2
            found[frame, person] = {
                "annot2": pixels.T,
                "annot3": joints.T,
                "univ_annot3": (joints * 1.1).T,
                "isValidFrame": np.array([[float(valid)]]),
            }
    return found


def write_mupots(folder, sequence, found):
    """Write a sequence's annotations as MATLAB stores them: a cell array of structures, frames by people."""
    frames, people = (max(place[axis] for place in found) + 1 for axis in (0, 1))
    annotations = np.empty((frames, people), object)
    for place, annotation in found.items():
        annotations[place] = annotation
    (folder / f"TS{sequence}").mkdir(parents=True, exist_ok=True)
    file = folder / f"TS{sequence}" / "annot.mat"
    scipy.io.savemat(file, {"annotations": annotations}, do_compression=True)
    return file


ORDER_17 = LAYOUTS["3dhp17"].joints
