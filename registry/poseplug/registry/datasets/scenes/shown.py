"""What pictures of scenes show: people in an image and in space, and beside them whom a run finds and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseplug.core.data.found import Found
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.evaluate import find_and_match
from poseplug.core.evaluation.protocol import PROTOCOLS, Protocol
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.letterbox import Letterbox
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.models.inputs import PersonBoxes
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.registry.datasets.opening import Opened
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.find_run import find_run
from poseplug.registry.runs.saved_model import open_run

Array = NDArray[Any]
COLUMNS = ("scene", "people", "found", "matched", "root, mm", "depth, mm", "mpjpe, mm")


@attrs.frozen(eq=False)
class Predictor:
    """A finished run.

    Attributes:
        said: how it is called.
        model: its trained model.
        protocol: who counts as found, and how they are matched.
    """

    said: str
    model: LiftingModel
    protocol: Protocol = PROTOCOLS["default"]

    @classmethod
    def named(cls, said: str, catalogue: Catalogue) -> Predictor:
        """Open the run in a folder, or the trained model of a name, on the CPU; PoseplugError where there is none."""
        plan, model = open_run(find_run(said, catalogue), catalogue, torch.device("cpu"))
        return cls(said, model, plan.protocol)


@attrs.frozen(eq=False)
class SeenPeople:
    """P people of a scene.

    Attributes:
        joints_2d: [P, J, 2] pixels.
        space: [P, J, 3] right, up and ahead of the camera, were it level, metres.
    """

    joints_2d: Array
    space: Array


@attrs.frozen(eq=False)
class SceneShown:
    """A scene.

    Attributes:
        size: of the image, pixels.
        image: [H, W, 3] uint8, where there is one.
        extent: left, right, bottom and top of it, pixels.
        boxes: [P, 4] left, top, right, bottom of true people.
        people: the true ones.
        found: those of a run; None where none was asked.
        pairs: of the true people who were found, their row and that of whom was found.
        axis: [3] the camera's, along which depth is, as ``SeenPeople.space`` is.
        camera: [4, 3] where the corners of the image are at a depth of one metre, likewise.
        ground: how far above the camera the ground is, so below 0, metres.
    """

    size: tuple[float, float]
    image: Array | None
    extent: tuple[float, float, float, float]
    boxes: Array
    people: SeenPeople
    found: SeenPeople | None
    pairs: Sequence[tuple[int, int]]
    axis: Array
    camera: Array
    ground: float


@attrs.frozen(eq=False)
class ScenesShown:
    """Some scenes of a source.

    Attributes:
        skeleton: the layout.
        scenes: the scenes.
        model: the run that was asked; "" for none.
        given: whether it was told of the true people, instead of finding them.
    """

    skeleton: Skeleton
    scenes: Sequence[SceneShown]
    model: str = ""
    given: bool = False

    def lines(self) -> Iterator[list[str]]:
        """Give the columns' values of each scene: how far off the run is for those whom it found."""
        for number, scene in enumerate(self.scenes, 1):
            counts = [str(number), str(len(scene.people.space))]
            if scene.found is None:
                yield [*counts, *[""] * 5]
                continue
            counts += [str(len(scene.found.space)), str(len(scene.pairs))]
            true, found = (np.array([pair[side] for pair in scene.pairs], int) for side in (0, 1))
            off = scene.found.space[found] - scene.people.space[true]
            root = off[:, self.skeleton.root, None]
            errors = (root, root @ scene.axis[:, None], off - root)
            yield [*counts, *(f"{np.linalg.norm(e, axis=-1).mean() * 1000:.0f}" if len(found) else "" for e in errors)]


def look_at_scenes(opened: Opened, count: int, predictor: Predictor | None = None) -> ScenesShown:
    """Return scenes of a source, drawn at random.

    Args:
        opened: the source.
        count: how many scenes.
        predictor: a run whose findings are shown beside the truth.

    Raises:
        PoseplugError: poses in 2D only or that are no numbers, or a run for another skeleton.
    """
    generator = torch.Generator().manual_seed(opened.seed)
    with torch.no_grad():
        batch = opened.source.sample(count, generator).detached().to("cpu").gathered()
        if batch.joints_3d is None:
            raise PoseplugError(f"'{opened.said}' gives 2D only; scenes are drawn in space, from poses in 3D.")
        if not batch.absolute.isfinite().all() or not batch.joints_2d.isfinite().all():
            raise PoseplugError(
                f"Poses of '{opened.said}' have coordinates that are no numbers; draw others by --seed."
            )
        if predictor is None:
            found, pairs = None, torch.zeros(0, 2, dtype=torch.int64)
        else:
            found, pairs = _predicted(predictor, batch)
    scenes = [_scene(batch, number, found, pairs) for number in range(min(count, batch.num_scenes))]
    model = predictor.model if predictor else None
    return ScenesShown(
        batch.skeleton, scenes, predictor.said if predictor else "", model is not None and not model.finds
    )


def _predicted(predictor: Predictor, batch: PoseBatch) -> tuple[Found, Tensor]:
    """Return whom a run finds, or where it puts those it is given, and which true people these are, rows [K, 2]."""
    model = predictor.model
    if model.skeleton != batch.skeleton:
        raise PoseplugError(
            f"The run '{predictor.said}' is for skeleton '{model.skeleton.name}', and these poses have "
            f"'{batch.skeleton.name}'; choose a source or a run with the other's."
        )
    if model.finds:
        found, matching = find_and_match(model, batch, predictor.protocol)
        rows = matching.of_people
    else:
        with model.inputs.shared():
            joints, roots = model.place(batch)
        if roots is None:
            raise PoseplugError(
                f"The run '{predictor.said}' does not say where people are; choose one with a root estimator."
            )
        rows = torch.arange(len(batch))
        found = Found(batch.scene_rows, roots, torch.ones(len(batch)), joints_3d=joints + roots[:, None])
    return found, torch.stack([torch.arange(len(batch)), rows], 1)[rows >= 0]


def _scene(batch: PoseBatch, number: int, found: Found | None, pairs: Tensor) -> SceneShown:
    camera = batch.places.camera.select(slice(number, number + 1))
    level, ground = _level(camera)
    here = (batch.scene_rows == number).nonzero()[:, 0]
    people = batch.select(here)
    seen = SeenPeople(people.joints_2d.numpy(), (people.absolute @ level).numpy())
    others, own = None, []
    if found is not None and found.joints_3d is not None:
        there = (found.scene == number).nonzero()[:, 0]
        joints = found.joints_3d[there]
        pixels = Camera.join([camera] * len(there)).project(joints) if len(there) else joints[..., :2]
        others = SeenPeople(pixels.numpy(), (joints @ level).numpy())
        rows, places = here.tolist(), there.tolist()
        own = [(rows.index(a), places.index(b)) for a, b in pairs.tolist() if a in rows]
    width, height = camera.size[0].tolist()
    corners = torch.tensor([[[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]])
    image, extent = _image(batch, number, camera)
    return SceneShown(
        (width, height),
        image,
        extent,
        PersonBoxes().provide(people).numpy() if len(people) else np.zeros((0, 4)),
        seen,
        others,
        own,
        level[2].numpy(),
        (camera.unproject(corners, torch.ones(1, 4))[0] @ level).numpy(),
        ground if ground is not None else min(float(seen.space[..., 1].min(initial=0.0)), -0.1),
    )


def _level(camera: Camera) -> tuple[Tensor, float | None]:
    """Return what turns a camera's frame [3] into right, up, ahead, as rows times matrix, and the ground's height.

    A camera whose world is not known is taken to be level, and the height of the ground is None.
    """
    if camera.rotation is None or camera.position is None:
        return torch.diag(torch.tensor([1.0, -1.0, 1.0])), None
    to_camera, up = camera.rotation[0], torch.tensor([0.0, 1.0, 0.0])
    right = torch.nn.functional.normalize(to_camera[0] - to_camera[0, 1] * up, dim=0)
    axes = torch.stack([right, up, torch.linalg.cross(up, right)])
    return to_camera @ axes.T, -float(camera.position[0, 1])


def _image(batch: PoseBatch, number: int, camera: Camera) -> tuple[Array | None, tuple[float, float, float, float]]:
    """Return the image of a scene, and where its edges are in the camera's pixels."""
    if batch.places.image is None:
        return None, (0.0, 0.0, 0.0, 0.0)
    image = batch.places.image[number]
    height, width = image.shape[-2:]
    canvas = torch.tensor([[[0.0, 0.0], [float(width), float(height)]]])
    (left, top), (right, bottom) = Letterbox.fitting(camera.size, height, width).pixels(canvas)[0].tolist()
    return image.permute(1, 2, 0).numpy(), (left, right, bottom, top)
