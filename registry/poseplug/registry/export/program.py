"""What is exported of a lifting model: from key points in pixels to a pose in metres, on plain tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.models.lifting_model import LiftingModel

_SIDE, _PERSON = 1000.0, 120.0


class Program(nn.Module):
    """A lifting model with its normalisation, inputs, root estimator and output head, for one that reads no camera.

    Args:
        model: in evaluation mode.
        flip: average each prediction with that for the mirrored key points.
    """

    def __init__(self, model: LiftingModel, flip: bool = False) -> None:
        super().__init__()
        self.model = model
        self.flip = flip
        self.train(model.training)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the tensors that it is called with, in order."""
        return ("keypoints", "size")

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the tensors that it returns."""
        return ("joints",) if self.model.root is None else ("joints", "roots")

    def forward(self, keypoints: Tensor, size: Tensor) -> dict[str, Tensor]:
        """Return "joints" [N, J, 3], root-relative, and with a root estimator "roots" [N, 3]; metres.

        Args:
            keypoints: [N, J, 2] pixels, in the order of the model's skeleton.
            size: [N, 2] width and height of the images, pixels.
        """
        unknown = torch.full_like(size, torch.nan)
        return self.lift(PoseBatch(self.model.skeleton, keypoints, Camera(unknown, unknown, size)))

    def lift(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return what the program is to return, as the model itself finds it."""
        with self.model.inputs.shared():
            joints, roots = self.model.place(batch, self.flip)
        return {"joints": joints} if roots is None else {"joints": joints, "roots": roots}

    def arguments(self, batch: PoseBatch) -> dict[str, Tensor]:
        """Return the tensors that it is called with for the people of a batch, by name."""
        of_all = {"keypoints": batch.joints_2d, **{name: getattr(batch.camera, name) for name in _OF_CAMERA}}
        return {name: of_all[name].contiguous() for name in self.inputs}

    def described(self) -> dict[str, dict[str, Any]]:
        """Return shape, unit and meaning of each input and output, by "inputs" and "outputs" and by name."""
        facts = _facts(self.model.skeleton)
        return {
            "inputs": {name: facts[name] for name in self.inputs},
            "outputs": {name: facts[name] for name in self.outputs},
        }


class CameraProgram(Program):
    """The same for a model that reads the camera: a lifter, a root estimator or an output head may."""

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("keypoints", *_OF_CAMERA)

    def forward(self, keypoints: Tensor, size: Tensor, focal: Tensor, centre: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        """Return the same.

        Args:
            keypoints: [N, J, 2] pixels of a lens without distortion.
            size: [N, 2] width and height of the images, pixels.
            focal: [N, 2] focal lengths, pixels.
            centre: [N, 2] principal points, pixels.
        """
        return self.lift(PoseBatch(self.model.skeleton, keypoints, Camera(focal, centre, size)))


_OF_CAMERA = ("size", "focal", "centre")


def program_of(model: LiftingModel, flip: bool = False) -> Program:
    """Return the program of a model in evaluation mode, with an input for the camera if the model reads it.

    Whether it does is seen, not declared: cameras that are no number must not change what it finds.
    """
    with torch.no_grad():
        batch = random_people(2, model.skeleton, model.device)
        program, known = Program(model, flip), CameraProgram(model, flip)
        expected, found = known.lift(batch), program(**program.arguments(batch))
    same = all(torch.equal(expected[name], found[name]) for name in expected)
    return program if same else known


def random_people(n: int, skeleton: Skeleton, device: torch.device, seed: int = 0) -> PoseBatch:
    """Return n people whose key points lie at random about a place in their image, upright and landscape ones."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(n, *shape, generator=generator).clamp(-3, 3)

    size = _SIDE * (1 + 0.2 * draw(2))
    centre = size / 2 + 0.02 * _SIDE * draw(2)
    keypoints = (size / 2 + 0.1 * _SIDE * draw(2))[:, None] + _PERSON * draw(skeleton.num_joints, 2)
    return PoseBatch(skeleton, keypoints, Camera(_SIDE * (1.2 + 0.1 * draw(2)), centre, size)).to(device)


def as_seen(batch: PoseBatch) -> PoseBatch:
    """Return the key points of a batch with pinhole cameras that know of nothing else: what a program is told."""
    camera = attrs.evolve(batch.camera, distortion=None, rotation=None, position=None)
    return PoseBatch(batch.skeleton, batch.joints_2d, camera)


def _facts(skeleton: Skeleton) -> Mapping[str, dict[str, Any]]:
    joints = skeleton.num_joints
    root = skeleton.joints[skeleton.root]
    of_camera = "as if the lens had no distortion"
    return {
        "keypoints": _fact((joints, 2), "pixels", "x to the right and y down, in the order of the skeleton's joints"),
        "size": _fact((2,), "pixels", "width and height of the image"),
        "focal": _fact((2,), "pixels", f"focal lengths, {of_camera}"),
        "centre": _fact((2,), "pixels", f"principal point, {of_camera}"),
        "joints": _fact((joints, 3), "metres", f"x right, y down, z forward; {root} at the origin"),
        "roots": _fact((3,), "metres", f"{root} in the camera frame: x right, y down, z forward"),
    }


def _fact(shape: tuple[int, ...], unit: str, meaning: str) -> dict[str, Any]:
    return {"shape": ["N", *shape], "type": "float32", "unit": unit, "meaning": meaning}
