"""``depthmap``: roots by a map of depth alone (Sec. 4.2; row (a) of Table 4, and Sec. 3's BDR when it sees all joints).

Su, Wang, Ma, Zeng, Wang: VirtualPose: Learning generalizable 3D human pose models from virtual data, ECCV 2022.
Deviation: the network's first guess is people some way off instead of none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.data.found import Found
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.geometry.camera import Camera
from poseplug.core.interfaces import BuildContext, RootEstimator
from poseplug.core.settings import setting
from poseplug_virtualpose.agr.decoding import decode, joints_in_boxes
from poseplug_virtualpose.maps import MAPS, Maps
from poseplug_virtualpose.roots.depth_network import DepthNetwork, depth_error, depth_joints, in_picture, read_depth
from poseplug_virtualpose.roots.searched import Evidence, Searched, located


@attrs.frozen(kw_only=True)
class DepthMapConfig:
    """Settings of DepthMap."""

    search: bool = setting(False, "find people itself, by the peaks of the root's heat map")
    channels: int = setting(64, "of the first layers; later ones have 2, 4 and 8 times as many", minimum=1)
    flip: bool = setting(True, "in training mirror half of the scenes")
    most: int = setting(10, "people that are found in a scene, at most", minimum=1)


class DepthMap(RootEstimator):
    """The depth that a map has at a person's root; of people whose key points are given, or of whom it finds."""

    Config = DepthMapConfig
    reads = frozenset({MAPS, "scene", "scenes", "joints_2d", "camera"})
    finds_joints_2d = True

    def __init__(self, config: DepthMapConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.root = context.layout.root
        self.finds = config.search
        self.network = DepthNetwork(depth_joints(context.layout), config.channels, flip=config.flip)
        self.to(context.device)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, object]:  # noqa: ARG003
        """Return settings of a small network, which can be tried in seconds."""
        return {"channels": 2}

    @classmethod
    def finds_with(cls, config: DepthMapConfig) -> bool:
        return config.search

    def forward(  # type: ignore[override]
        self, *, maps: Maps, scene: Tensor, scenes: Scenes, joints_2d: Tensor, camera: Camera
    ) -> Tensor | Found:
        """Return roots [N, 3] of the people given, camera frame, metres; where it searches, whom it found."""
        depth = self.network(maps)
        if self.finds:
            return self._found(depth, maps, scenes)
        pixels = joints_2d[:, self.root : self.root + 1]
        depths = read_depth(depth, scene, maps.letterbox.place(pixels, scene)[:, 0])
        return camera.unproject(pixels, depths[:, None])[:, 0]

    def _found(self, depth: Tensor, maps: Maps, scenes: Scenes) -> Found:
        detections = decode(maps, self.root, self.config.most)
        roots, _ = located(detections, depth, maps, scenes)
        pixels = maps.letterbox.pixels(joints_in_boxes(maps, detections), detections.scene)
        return Searched(
            detections.scene, roots, detections.score, pixels, most=self.config.most, evidence=Evidence(depth)
        )

    def loss(  # type: ignore[override]
        self, roots: Tensor | Searched, batch: PoseBatch, *, maps: Maps, scene: Tensor, **inputs: Any
    ) -> Mapping[str, Tensor]:
        """Return the mean absolute error of depths in metres, of roots in the picture (eq. 4)."""
        pixels, true = batch.joints_2d[:, self.root], batch.root[:, 2]
        if isinstance(roots, Searched):
            assert roots.evidence is not None
            return {"depth": depth_error(roots.evidence.depth, maps, scene, pixels, true)}
        seen = in_picture(maps, scene, maps.letterbox.place(pixels[:, None], scene)[:, 0])
        error = torch.where(seen, (roots[:, 2] - true).abs(), 0)
        return {"depth": error.sum() / seen.sum().clamp_min(1)}
