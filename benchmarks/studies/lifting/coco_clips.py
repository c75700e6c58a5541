"""Clips of motion capture as a detector of COCO's 17 key points would find them, and how well they were lifted.

python benchmarks/studies/lifting/coco_clips.py write FOLDER_OF_BVH OUT     # every fifth clip, four cameras
poseplug lift starter OUT/clean.json --camera 1145,1145,500,500 --size 1000x1000 --out OUT/clean.npz
poseplug lift starter OUT/noisy.json --camera 1145,1145,500,500 --size 1000x1000 --out OUT/noisy.npz
python benchmarks/studies/lifting/coco_clips.py errors OUT
python benchmarks/studies/lifting/coco_clips.py example docs/examples/walking.json   # of the embedded reference
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import attrs
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.evaluation.protocol import lookup
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16, layout
from poseplug.core.geometry.viewpoints import fixed_cameras
from poseplug_datasets.builtin import world_poses
from poseplug_datasets.mocap.bvh_clips import find_clips, read_clip

COCO = layout("coco17")
# Where the points of a face are, from the middle of the ears: forwards, to its own right, upwards; metres. Rounded from
# the head of an adult: 0.15 m wide, the eyes 0.065 m apart.
FACE = {
    "Nose": (0.11, 0.0, -0.03),
    "LEye": (0.08, -0.0325, 0.01),
    "REye": (0.08, 0.0325, 0.01),
    "LEar": (0.0, -0.075, 0.0),
    "REar": (0.0, 0.075, 0.0),
}
NOISE, MISSING = 3.0, 0.1
# Frames of different clips must not look like neighbours.
APART = 100_000


def coco_joints(joints: Tensor, ears: float) -> Tensor:
    """Return COCO's 17 points [F, 17, 3] of Human3.6M poses [F, 16, 3]; y is up.

    The face looks where the shoulders look, and sits on the neck: mocap of 16 joints knows no more of it.

    Args:
        joints: the poses, metres.
        ears: how far above the joint Head, along the neck, the middle of the ears is, metres.
    """

    def at(name: str) -> Tensor:
        return joints[:, H36M_16.index(name)]

    up = normalize(at("Head") - at("Thorax"), dim=-1)
    right = at("RShoulder") - at("LShoulder")
    right = normalize(right - (right * up).sum(-1, keepdim=True) * up, dim=-1)
    forwards = torch.linalg.cross(up, right)
    middle = at("Head") + ears * up
    named = {"LAnkle": "LFoot", "RAnkle": "RFoot"}
    points = [
        middle + sum(share * axis for share, axis in zip(FACE[joint], (forwards, right, up), strict=True))
        if joint in FACE
        else at(named.get(joint, joint))
        for joint in COCO.joints
    ]
    return torch.stack(points, dim=1)


def seen(joints: Tensor, camera: Camera) -> Tensor:
    """Return the pixels [F, J, 2] of a clip in the world under one camera."""
    cameras = camera.select(torch.zeros(len(joints), dtype=torch.int64))
    return cameras.project(cameras.world_to_camera(joints))


def results(pixels: Tensor, found: Tensor, first: int) -> list[dict[str, object]]:
    """Return COCO results of one person in consecutive images; what was not found has score 0."""
    rows = []
    for frame, (points, sure) in enumerate(zip(pixels.tolist(), found.tolist(), strict=True)):
        triples = zip(points, sure, strict=True)
        flat = [n for (x, y), there in triples for n in ((round(x, 2), round(y, 2), 0.9) if there else (0, 0, 0))]
        rows.append({"image_id": first + frame, "category_id": 1, "keypoints": flat, "score": 0.9})
    return rows


def write(folder: Path, out: Path) -> None:
    """Write clean.json, noisy.json and truth.npz of every fifth clip (split=test of the source bvh)."""
    out.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    clean: list[object] = []
    noisy: list[object] = []
    truth, frames = [], []
    for number, path in enumerate(find_clips(folder)[4::5]):
        joints, _ = read_clip(path, stride=2)
        # On the spot, where the cameras look at: the walks are longer than the cameras are away.
        joints = joints - joints[:, :1] * torch.tensor([1.0, 0.0, 1.0])
        for view in range(4):
            camera = fixed_cameras().select(torch.tensor([view]))
            # The Head of these rigs is the base of the skull; the ears are about a tenth of a metre above it.
            pixels = seen(coco_joints(joints, ears=0.1), camera)
            first = (4 * number + view) * APART
            everything = torch.ones(pixels.shape[:2], dtype=torch.bool)
            clean += results(pixels, everything, first)
            worse = pixels + NOISE * torch.randn(pixels.shape, generator=generator)
            found = torch.rand(pixels.shape[:2], generator=generator) >= MISSING
            noisy += results(worse, found, first)
            cameras = camera.select(torch.zeros(len(joints), dtype=torch.int64))
            truth.append(cameras.world_to_camera(joints))
            frames.append(torch.arange(first, first + len(joints)))
    (out / "clean.json").write_text(json.dumps(clean))
    (out / "noisy.json").write_text(json.dumps(noisy))
    np.savez(out / "truth.npz", joints_3d=torch.cat(truth).numpy(), frame=torch.cat(frames).numpy())


def errors(out: Path) -> None:
    """Print the errors of clean.npz and noisy.npz, and their ratio."""
    truth = np.load(out / "truth.npz")
    order = {frame: row for row, frame in enumerate(truth["frame"].tolist())}
    means = {}
    for name in ("clean", "noisy"):
        lifted = np.load(out / f"{name}.npz")
        rows = [order[frame] for frame in lifted["frame"].tolist()]
        assert len(rows) == len(order), f"{len(order)} poses were to be lifted, and {len(rows)} were"
        joints, found = torch.from_numpy(truth["joints_3d"][rows]), torch.from_numpy(lifted["joints_3d"])
        good = found.isfinite().all(-1).all(-1)
        camera = fixed_cameras().select(torch.zeros(int(good.sum()), dtype=torch.int64))
        scores = Scores(lookup("default"))
        scores.add(found[good], PoseBatch.seen(H36M_16, joints[good], camera))
        means[name] = scores.mean()
        figures = " ".join(f"{figure} {value:.1f}" for figure, value in means[name].items())
        print(f"{name}: {len(good)} poses, {int((~good).sum())} not lifted; {figures}")
    for figure in ("mpjpe_mm", "p_mpjpe_mm"):
        print(f"noisy over clean, {figure}: {means['noisy'][figure] / means['clean'][figure]:.3f}")


def example(path: Path) -> None:
    """Write a walk of the embedded reference, seen from the front left, with some noise and some joints missing."""
    poses = world_poses(H36M_16, "test", 4, 64, torch.device("cpu"))
    walks = (poses.labels["action"] == poses.label_names["action"].index("Walking")).nonzero().flatten()
    joints = poses.joints[walks[:64]]
    camera = fixed_cameras().select(torch.tensor([0]))
    focal, centre, size = torch.tensor([[2198.0, 2198.0], [960.0, 540.0], [1920.0, 1080.0]])[:, None]
    wide = attrs.evolve(camera, focal=focal, centre=centre, size=size)
    generator = torch.Generator().manual_seed(0)
    # Its Head is at the height of the eyes.
    pixels = seen(coco_joints(joints, ears=0.0), wide)
    pixels = pixels + torch.randn(pixels.shape, generator=generator)
    found = torch.rand(pixels.shape[:2], generator=generator) >= 0.03
    people = results(pixels, found, 0)
    images = [{"id": frame, "file_name": f"{frame:06d}.jpg", "width": 1920, "height": 1080} for frame in range(64)]
    for number, person in enumerate(people):
        counted = sum(score > 0 for score in person["keypoints"][2::3])  # type: ignore[index]
        person |= {"id": number, "iscrowd": 0, "num_keypoints": counted}
        person["keypoints"] = [2 if i % 3 == 2 and v else v for i, v in enumerate(person["keypoints"])]  # type: ignore
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, names in {"write": ("folder", "out"), "errors": ("out",), "example": ("path",)}.items():
        sub = verbs.add_parser(verb)
        for name in names:
            sub.add_argument(name, type=Path)
    arguments = vars(parser.parse_args())
    {"write": write, "errors": errors, "example": example}[arguments.pop("verb")](**arguments)


if __name__ == "__main__":
    main()
