"""``pen``: poses by a network over fine voxels about each root (Sec. 4.3).

Su, Wang, Ma, Zeng, Wang: VirtualPose: Learning generalizable 3D human pose models from virtual data, ECCV 2022. In the
released code all people of one slot go through the network together, here people in chunks; batch statistics are those
of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import attrs
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from poseplug.core.geometry.camera import Camera
from poseplug.core.interfaces import ROOTS, BuildContext, Lifter
from poseplug.core.models.modes import exactly
from poseplug.core.settings import setting
from poseplug_virtualpose.maps import MAPS, Maps
from poseplug_virtualpose.voxels.projection import HeatTable, naive_volume
from poseplug_virtualpose.voxels.settings import odd, side_of_networks
from poseplug_virtualpose.voxels.soft_argmax import BETA, soft_argmax
from poseplug_virtualpose.voxels.space import Boxes3D, Grid
from poseplug_virtualpose.voxels.v2v import CHANNELS, KERNEL, V2V


@attrs.frozen(kw_only=True)
class PENConfig:
    """Settings of PEN; by default the paper's."""

    size: float = setting(2.0, "side of the cube about a root", unit="metres", above=0)
    nodes: int = setting(64, "voxels along each side, the outermost on the faces", check=side_of_networks)
    channels: int = setting(CHANNELS, "of the network's first layer; others have 2, 4 and 8 times as many", minimum=1)
    kernel: int = setting(KERNEL, "nodes along each side of what its first layer sees at once", check=odd)
    beta: float = setting(BETA, "what scores are multiplied by before their softmax", above=0)
    chunk: int = setting(
        6, "people whose volumes are in memory at a time; with more of them, training computes volumes twice", minimum=1
    )


class PEN(Lifter):
    """Joints about the roots that it is given, in whichever way these were found."""

    Config = PENConfig
    normalisation = None
    reads = frozenset({MAPS, ROOTS, "scene", "camera"})
    refines_root = True
    default_objective = "l1"

    def __init__(self, config: PENConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.grid = Grid((config.size,) * 3, (config.nodes,) * 3)
        joints = context.layout.num_joints
        self.network = V2V(joints, joints, config.channels, config.kernel)
        self.to(context.device)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, object]:  # noqa: ARG003
        """Return settings of a small network, which can be tried in seconds."""
        return {"nodes": 8, "channels": 2, "kernel": 3}

    def forward(  # type: ignore[override]
        self, joints_2d: Tensor | None, *, maps: Maps, roots: Tensor, scene: Tensor, camera: Camera
    ) -> Tensor:
        """Return joints [N, J, 3] about roots [N, 3], camera frame, metres; key points are not looked at."""
        heat = HeatTable(maps)
        boxes = Boxes3D.about(roots, camera, maps.letterbox.select(scene))
        if not len(roots):
            return roots.new_zeros(0, heat.joints, 3)
        chunks = torch.split(torch.arange(len(roots), device=roots.device), self.config.chunk)
        if len(chunks) == 1 or not torch.is_grad_enabled():
            places = [self._places(heat, boxes.select(rows), scene[rows]) for rows in chunks]
        else:
            places = [
                checkpoint(
                    self._places, heat, boxes.select(rows), scene[rows], use_reentrant=False, context_fn=self._contexts
                )
                for rows in chunks
            ]
        with exactly(roots.device):
            joints: Tensor = torch.cat(places) @ boxes.rotation.mT
            return joints

    def _places(self, heat: HeatTable, boxes: Boxes3D, scene: Tensor) -> Tensor:
        """Return joints [B, J, 3] about the middles of boxes, along the world's axes."""
        scores = self.network(naive_volume(heat, boxes, self.grid, scene)).float()
        with exactly(scores.device):
            return soft_argmax(scores, self.grid, self.config.beta)

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _without_counting(self.network)


@contextmanager
def _without_counting(network: nn.Module) -> Iterator[None]:
    """Leave running statistics as they are while a network sees again what it has seen."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm3d)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
