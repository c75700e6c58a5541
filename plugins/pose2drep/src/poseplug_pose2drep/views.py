"""Seeing people in other 2D poses: many views of a batch through one call of the lifter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import torch
from torch import Tensor

from poseplug.core.data.normalise import extents, max_normalised
from poseplug.core.data.pose_batch import PoseBatch

# Pixels; a person that small is a point, and dividing by less would make gradients overflow.
_SMALLEST = 1e-3


@attrs.frozen
class Views:
    """The people of a batch, to be seen in other poses at the same place and scale.

    Attributes:
        batch: the people, without anything but what they look like to which camera.
        lift: the lifter: batch -> [N, J, 3].
    """

    batch: PoseBatch
    lift: Callable[[PoseBatch], Tensor]

    @classmethod
    def of(cls, poses: PoseBatch, lift: Callable[[PoseBatch], Tensor]) -> Views:
        """Return views of poses, whose largest coordinate counts as 1 where they have no extent of their own."""
        extent = extents(poses.joints_2d, poses.skeleton.root) if poses.extent is None else poses.extent
        extent = extent.clamp_min(_SMALLEST)
        return cls(PoseBatch(poses.skeleton, poses.joints_2d, poses.camera, extent=extent), lift)

    @property
    def original(self) -> Tensor:
        """The poses as they are, [N, J, 2] about the root and over the extent."""
        return max_normalised(self.batch.joints_2d, self.batch.skeleton.root, self.batch.extent)

    def shown(self, image: Tensor) -> PoseBatch:
        """Return the same people in poses [N, J, 2] of such units; they are not normalised anew."""
        root, extent = self.batch.skeleton.root, self.batch.extent
        assert extent is not None
        pixels = torch.addcmul(self.batch.joints_2d[:, root : root + 1], extent[:, None, None], image)
        return attrs.evolve(self.batch, joints_2d=pixels)

    def depths(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Return the depths [N, J] about the root that the lifter gives for each of several images [N, J, 2].

        They are lifted in one batch, image after image.
        """
        batch = PoseBatch.join([self.shown(image) for image in images])
        depth = self.lift(batch)[..., 2]
        depth = depth - depth[:, self.batch.skeleton.root, None]
        return list(depth.tensor_split(len(images)))
