"""How a run sees its poses: by their own cameras, or orthographically."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import FiniteSource, PoseSource

PROJECTIONS = ("perspective", "orthographic")


class Orthographic(PoseSource):
    """The poses of a source as an orthographic camera sees them; what the source declares of them holds for these.

    Of a source of scenes as many scenes are drawn, whose people are then alone.
    """

    def __init__(self, source: PoseSource) -> None:
        self.source = source
        self.skeleton, self.has_3d, self.label_names = source.skeleton, source.has_3d, source.label_names

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        return orthographic(self.source.sample(n, generator))


class OrthographicTable(Orthographic, FiniteSource):
    """The poses of a finite source as an orthographic camera sees them."""

    source: FiniteSource

    def __len__(self) -> int:
        return len(self.source)

    def batches(self, size: int) -> Iterator[PoseBatch]:
        return map(orthographic, self.source.batches(size))


def projected(source: PoseSource, projection: str) -> PoseSource:
    """Return a source whose poses are seen by a projection, one of PROJECTIONS.

    Raises:
        PoseplugError: the source has no 3D joints to see otherwise.
    """
    if projection == "perspective":
        return source
    if not source.has_3d:
        raise PoseplugError(
            "projection=orthographic is made of 3D joints, and this source gives 2D only; choose another source, or "
            "leave projection as it is."
        )
    return OrthographicTable(source) if isinstance(source, FiniteSource) else Orthographic(source)


def orthographic(batch: PoseBatch) -> PoseBatch:
    """Return the people, alone, as an orthographic camera sees them, at the scale that the true one gives their roots.

    The root stays where it is in the image; about it, pixels are x and y of the joints times f / Z of the root, with f
    the mean of both focal lengths. Root-centred, max-normalised coordinates are exactly those of camera-frame x and y.
    """
    root = batch.skeleton.root
    scale = batch.camera.focal.mean(-1) / batch.root[:, 2]
    pixels = batch.joints_2d[:, root : root + 1] + batch.root_relative[..., :2] * scale[:, None, None]
    # What a camera of a scene tells of places in the image holds for roots, but for nobody's joints.
    return attrs.evolve(batch.alone(), joints_2d=pixels)
