"""Whom a model finds in frames of key points, or in pictures, as if they were a file of people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs
import numpy as np
import torch
from torch import Tensor

from poseplug.core.data.found import Found, match
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import Detections
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.registry.lifting.spool import Array, Spool

# A found person is the one at whose key points it is, on average within this share of their size.
_SAME = 0.5


@attrs.frozen(eq=False)
class Searched:
    """Scenes that are searched.

    Attributes:
        batch: with scenes, on the model's device.
        frame: [S] the numbers of their frames.
        track: [N] who the people in the batch are.
    """

    batch: PoseBatch
    frame: Array
    track: Array


@attrs.define(eq=False)
class FoundFile:
    """A ``KeypointFile`` of the people that a model finds; their poses go to a table in the same order.

    Attributes:
        model: what searches.
        scenes: where.
        score: who scores no more is nobody.
        table: joints_3d, about the root, root and camera.
        format: for messages.
        fps: frames a second, where somebody knows.
    """

    model: LiftingModel
    scenes: Iterator[Searched]
    score: float
    table: Spool
    format: str
    fps: float | None = None
    skeleton: Skeleton = attrs.field(init=False, default=attrs.Factory(lambda self: self.model.skeleton, True))

    def chunks(self) -> Iterator[Detections]:
        """Give whom is found in some frames at a time."""
        for searched in self.scenes:
            found = self.model.find(searched.batch, lambda found: found.score > self.score)
            assert found.joints_3d is not None, "lifted"
            found = found.select(found.joints_3d.isfinite().all(-1).all(-1))
            if len(found):
                yield self._detections(found, searched)

    def _detections(self, found: Found, searched: Searched) -> Detections:
        assert found.joints_3d is not None, "lifted"
        camera = searched.batch.places.camera.select(found.scene)
        pixels, index = camera.project(found.joints_3d).float(), self.skeleton.root
        here = self._table_rows(found.joints_3d - found.joints_3d[:, index : index + 1], found.root)
        intrinsics = torch.cat([camera.focal, camera.centre, camera.size], 1).float()
        self.table.append(**here, camera=intrinsics.cpu().numpy())
        scene = found.scene.cpu().numpy()
        return Detections(
            joints=pixels.cpu(),
            confidence=found.score.clamp(0, 1).float().cpu()[:, None].expand(-1, self.skeleton.num_joints).contiguous(),
            frame=torch.from_numpy(searched.frame[scene]),
            track=torch.from_numpy(nearest_tracks(found, pixels, searched.batch, searched.track)),
            size=camera.size.float().cpu(),
        )

    @staticmethod
    def _table_rows(joints: Tensor, root: Tensor) -> Mapping[str, Array]:
        return {"joints_3d": joints.float().cpu().numpy(), "root": root.float().cpu().numpy()}


def nearest_tracks(found: Found, pixels: Tensor, batch: PoseBatch, track: Array) -> Array:
    """Return the track [M] of whose key points each found person is seen at, the surest first; -1 where at nobody's.

    Args:
        found: M people.
        pixels: [M, J, 2] where they are seen.
        batch: the N people whose key points are known.
        track: [N] who they are.
    """
    if not len(batch):
        return np.full(len(found), -1)

    def flat(points: Tensor) -> Tensor:
        return torch.cat([points, torch.zeros_like(points[..., :1])], -1)

    known = attrs.evolve(batch, joints_3d=flat(batch.joints_2d))
    seen = attrs.evolve(found, joints_3d=flat(pixels))
    who = match(seen, known, float("inf"), by="joints").of_found
    there = batch.joints_2d[who]
    apart = (pixels - there).norm(dim=-1).mean(-1)
    size = (there.amax(1) - there.amin(1)).amax(-1)
    same = (who >= 0) & (apart <= _SAME * size)
    return np.where(same.cpu().numpy(), track[who.cpu().numpy()], -1)
