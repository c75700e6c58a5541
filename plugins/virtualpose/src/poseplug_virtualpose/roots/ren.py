"""``ren``: roots by a network over voxels in which people's heat is put where they may be (Sec. 4.2).

Su, Wang, Ma, Zeng, Wang: VirtualPose: Learning generalizable 3D human pose models from virtual data, ECCV 2022. What
the paper leaves open, the released code says: nodes, targets, weights of the losses, the ten highest peaks. Deviations:
whoever was found is never compared with the truth to be kept, and where the world is unknown the space is about whom
the depth estimator found, not about where people truly are. A root outside of the picture is nobody's target.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.interfaces import BuildContext, RootEstimator
from poseplug.core.settings import setting
from poseplug_virtualpose.agr.decoding import Detections2D, decode, joints_in_boxes
from poseplug_virtualpose.maps import MAPS, Maps
from poseplug_virtualpose.roots.depth_network import DepthNetwork, depth_error, depth_joints, in_picture
from poseplug_virtualpose.roots.searched import Evidence, Searched, located
from poseplug_virtualpose.voxels.peaks import peaks
from poseplug_virtualpose.voxels.projection import HeatTable, gated_volume, naive_volume
from poseplug_virtualpose.voxels.settings import odd, place, sides_of_networks, three_lengths
from poseplug_virtualpose.voxels.space import NEAREST, Boxes3D, Grid, orientation
from poseplug_virtualpose.voxels.targets import root_volumes
from poseplug_virtualpose.voxels.v2v import CHANNELS, KERNEL, V2V

# Millimetres in a metre: the weight of the depth's error is the paper's, for millimetres.
_MM = 1000.0


@attrs.frozen(kw_only=True)
class RENConfig:
    """Settings of REN; by default the paper's."""

    size: tuple[float, ...] = setting(
        (8.0, 2.4, 8.0), "of the space in which people are looked for: x, up, z", unit="metres", check=three_lengths
    )
    nodes: tuple[int, ...] = setting(
        (80, 24, 80), "voxels along them, the outermost on the faces", check=sides_of_networks
    )
    centre: tuple[float, ...] = setting(
        (0.0, 1.1, 0.0), "middle of the space in the world: x, up, z", unit="metres", check=place
    )
    about: str = setting(
        "world",
        "the middle of the space: 'centre', or over the mean of the roots that the depth estimator finds; this, too, "
        "where nobody knows the world, whose cameras then count as level",
        choices=("world", "estimated"),
    )
    root_height: float = setting(
        0.9, "of people's roots over the ground: an estimated space is put about them as 'centre' is", unit="metres"
    )
    gated: bool = setting(True, "put heat only near estimated depths; false repeats it at every depth")
    channels: int = setting(CHANNELS, "of the network's first layer; others have 2, 4 and 8 times as many", minimum=1)
    kernel: int = setting(KERNEL, "nodes along each side of what its first layer sees at once", check=odd)
    depth_channels: int = setting(64, "of the depth estimator's first layers", minimum=1)
    flip: bool = setting(True, "in training the depth estimator sees half of the scenes mirrored")
    most: int = setting(10, "people that are found in a scene, at most", minimum=1)
    refined: bool = setting(False, "place roots between voxels, at the tops of parabolas")
    depth_weight: float = setting(0.1, "of the depth's absolute error in millimetres", minimum=0)
    volume_weight: float = setting(1000.0, "of the volume's squared error", minimum=0)


@attrs.frozen(eq=False)
class VoxelEvidence(Evidence):
    """Depth maps, scores of the voxels [S, X, Y, Z], and where these are."""

    scores: Tensor
    boxes: Boxes3D


class REN(RootEstimator):
    """Depth estimator, volume and network over voxels; people are its peaks."""

    Config = RENConfig
    reads = frozenset({MAPS, "scenes"})
    finds = True
    finds_joints_2d = True
    centre: Tensor

    def __init__(self, config: RENConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        skeleton = context.layout
        self.root = skeleton.root
        x, y, z = config.size
        nx, ny, nz = config.nodes
        self.grid = Grid((x, y, z), (nx, ny, nz))
        self.depth = DepthNetwork(depth_joints(skeleton), config.depth_channels, flip=config.flip)
        self.network = V2V(skeleton.num_joints, 1, config.channels, config.kernel)
        self.register_buffer("centre", torch.tensor(config.centre), persistent=False)
        self.to(context.device)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, object]:  # noqa: ARG003
        """Return settings of a small network, which can be tried in seconds."""
        return {"nodes": (8, 4, 8), "channels": 2, "kernel": 3, "depth_channels": 2, "most": 3}

    def forward(self, *, maps: Maps, scenes: Scenes) -> Searched:  # type: ignore[override]
        """Return the people found, with key points: for each the peaks in the box that its root is seen nearest to."""
        depth = self.depth(maps)
        detections = decode(maps, self.root, self.config.most)
        roots, depths = located(detections, depth, maps, scenes)
        boxes = Boxes3D.about(self._middle(roots.detach(), detections, scenes), scenes.camera, maps.letterbox)
        heat = HeatTable(maps)
        if self.config.gated:
            slots = (len(scenes), self.config.most)
            volume = gated_volume(heat, boxes, self.grid, detections.box.view(*slots, 4), depths.view(slots))
        else:
            volume = naive_volume(heat, boxes, self.grid, torch.arange(len(scenes), device=depth.device))
        scores = self.network(volume)[:, 0].float()
        places, height = peaks(scores.detach(), self.grid, self.config.most, refined=self.config.refined)
        found = boxes.to_camera(places).flatten(0, 1)
        # Heat is nowhere behind the camera, but what a network makes of it may be.
        score = torch.where(found[:, 2] > NEAREST, height.flatten().clamp(0, 1), 0)
        joints_2d = self._joints_2d(found, maps, detections, scenes)
        evidence = VoxelEvidence(depth, scores, boxes)
        return Searched(detections.scene, found, score, joints_2d, most=self.config.most, evidence=evidence)

    def _middle(self, roots: Tensor, detections: Detections2D, scenes: Scenes) -> Tensor:
        """Return the middles [S, 3] of the spaces in the camera frames."""
        camera = scenes.camera
        if self.config.about == "world" and camera.position is not None:
            return ((self.centre - camera.position)[:, None] @ orientation(camera).mT)[:, 0]
        there = (detections.score > 0).float().view(len(scenes), -1, 1)
        mean = (roots.view(len(scenes), -1, 3) * there).sum(1) / there.sum(1).clamp_min(1)
        # A network that was trained in the world knows how high in its space people are.
        return mean + (self.centre[1] - self.config.root_height) * orientation(camera)[:, :, 1]

    def _joints_2d(self, found: Tensor, maps: Maps, detections: Detections2D, scenes: Scenes) -> Tensor:
        """Return pixels [M, J, 2] of the detections nearest to where roots [M, 3] are seen."""
        scene = detections.scene
        ahead = torch.cat([found[:, :2], found[:, 2:].clamp_min(NEAREST)], dim=-1)
        seen = maps.letterbox.place(scenes.camera.select(scene).project(ahead[:, None]), scene)
        slots = (len(scenes), self.config.most)
        place = detections.place.view(*slots, 2)
        apart = torch.linalg.vector_norm(seen.view(*slots, 1, 2) - place[:, None], dim=-1)
        apart = apart.masked_fill((detections.score <= 0).view(len(scenes), 1, -1), torch.inf)
        nearest = apart.argmin(-1) + torch.arange(len(scenes), device=found.device)[:, None] * self.config.most
        return maps.letterbox.pixels(joints_in_boxes(maps, detections)[nearest.flatten()], scene)

    def loss(  # type: ignore[override]
        self, roots: Searched, batch: PoseBatch, *, maps: Maps, scenes: Scenes
    ) -> Mapping[str, Tensor]:
        """Return the weighted errors of depths at true roots (eq. 4) and of the volume (eq. 6)."""
        evidence = roots.evidence
        assert isinstance(evidence, VoxelEvidence)
        pixels, scene = batch.joints_2d[:, self.root], batch.scene_rows
        depth = depth_error(evidence.depth, maps, scene, pixels, batch.root[:, 2])
        seen = in_picture(maps, scene, maps.letterbox.place(pixels[:, None], scene)[:, 0])
        wanted = root_volumes(batch.root, scene, seen, evidence.boxes, self.grid)
        volume = (evidence.scores - wanted).square().mean()
        return {"depth": depth * (_MM * self.config.depth_weight), "volume": volume * self.config.volume_weight}
