"""Hardy, Dasmahapatra, Kim: Optimising 2D Pose Representation, arXiv 2209.00618, Sec. 3.1 and 3.2.

Five lifters that differ in what they see at once: the whole pose, legs and torso, or four limbs and torso; apart to the
end ("independent"), or only until their features are combined ("split and recombine"). All predict depth only. Written
from the paper and from a description of what its released code builds, without any of that code.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from itertools import chain
from typing import Any, ClassVar

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.data.normalise import Normalisation
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, Lifter, OutputHead
from poseplug.core.settings import setting
from poseplug.core.tensors import constant
from poseplug_pose2drep.capacity import matched_width
from poseplug_pose2drep.depth_head import DepthHead
from poseplug_pose2drep.network import NORMS, Branch, glorot
from poseplug_pose2drep.parts import Parts, five_limbs, legs_and_torso, shares, whole

_FULL_BLOCKS = 6


@attrs.frozen(kw_only=True)
class RepresentationConfig:
    """Settings of a lifter of the representation study."""

    channels: int = setting(1024, "width of the hidden layers", minimum=8)
    capacity: str = setting(
        "code",
        "code: every hidden layer is 'channels' wide, as in the released code, so that representations differ in "
        "their number of parameters; matched: the width is chosen so that it is as near as it can be to full2d's",
        choices=("code", "matched"),
    )
    norm: str = setting(
        "affine",
        "affine: a learned scale and shift after each hidden layer, all that is at work of batch normalisation in the "
        "released code; batch: batch normalisation; none: neither",
        choices=NORMS,
    )
    dropout: float = setting(0.0, "dropout probability after each layer of a block", minimum=0, maximum=1)


class Representation(Lifter):
    """What the five have in common: z = tanh(network(x, y)) for all joints but the root, which is the origin."""

    Config = RepresentationConfig
    normalisation = Normalisation.MAX_NORM
    default_objective = "reprojection"
    name: ClassVar[str]

    def __init__(self, config: RepresentationConfig, context: BuildContext) -> None:
        super().__init__()
        skeleton = context.layout
        self.parts = self.divide(skeleton)
        inputs = list(chain.from_iterable(self.parts.values()))
        # Where each joint's depth stands in the network's output; behind the last is a zero for the root.
        places = {joint: place for place, joint in enumerate(inputs)}
        self._places = tuple(places.get(joint, len(inputs)) for joint in range(skeleton.num_joints))
        width = config.channels
        if config.capacity == "matched":
            full = partial(self._full, len(inputs), config)
            width = matched_width(partial(self.networks, self.parts, config), full, config.channels)
        self.nets = self.networks(self.parts, config, width, context.device)
        glorot(self.nets)

    @abstractmethod
    def divide(self, skeleton: Skeleton) -> Parts:
        """Return the joints of each part; every joint but the root is in one of them."""

    @abstractmethod
    def networks(self, parts: Parts, config: RepresentationConfig, width: int, device: torch.device) -> nn.ModuleDict:
        """Return the networks, with hidden layers of some width."""

    @abstractmethod
    def depths(self, seen: Mapping[str, Tensor]) -> list[Tensor]:
        """Return depths before the tanh, [N, joints] each in the order of the parts, for each part's [N, 2 joints]."""

    def output_head(self, skeleton: Skeleton) -> OutputHead:
        return DepthHead(skeleton, self.group_joints())

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        """Return joints [N, J, 3] in units of the MAX_NORM pose: x and y as they came, and the predicted z."""
        seen = {name: self._take(joints_2d, joints).flatten(1) for name, joints in self.parts.items()}
        depths = torch.tanh(torch.cat(self.depths(seen), dim=1))
        root = depths.new_zeros(depths.shape[0], 1)
        depths = self._take(torch.cat([depths, root], dim=1), self._places)
        return torch.cat([joints_2d.to(depths.dtype), depths[..., None]], dim=-1)

    @staticmethod
    def _take(tensor: Tensor, joints: tuple[int, ...]) -> Tensor:
        return tensor.index_select(1, constant(joints, tensor.device, torch.int64))

    @staticmethod
    def _full(joints: int, config: RepresentationConfig, width: int, device: torch.device) -> nn.Module:
        return _branch(config, 2 * joints, width, joints, _FULL_BLOCKS, device)


def _branch(
    config: RepresentationConfig,
    inputs: int,
    width: int,
    outputs: int,
    blocks: int,
    device: torch.device,
    stem: bool = True,
) -> Branch:
    return Branch(
        inputs,
        width,
        outputs,
        blocks=blocks,
        norm=config.norm,
        probability=config.dropout,
        device=device,
        stem=stem,
    )


class Full2D(Representation):
    """One network of six residual blocks sees all joints and predicts all depths."""

    name = "full2d"

    def divide(self, skeleton: Skeleton) -> Parts:
        return whole(skeleton)

    def networks(self, parts: Parts, config: RepresentationConfig, width: int, device: torch.device) -> nn.ModuleDict:
        return nn.ModuleDict({"all": self._full(len(parts["all"]), config, width, device)})

    def depths(self, seen: Mapping[str, Tensor]) -> list[Tensor]:
        return [self.nets["all"](seen["all"])]


class Independent(Representation):
    """A network for each part, which sees no other joint and learns from no other joint's depth.

    Attributes:
        blocks: residual blocks of each network.
    """

    blocks: ClassVar[int]

    def networks(self, parts: Parts, config: RepresentationConfig, width: int, device: torch.device) -> nn.ModuleDict:
        return nn.ModuleDict(
            {name: _branch(config, 2 * len(p), width, len(p), self.blocks, device) for name, p in parts.items()}
        )

    def depths(self, seen: Mapping[str, Tensor]) -> list[Tensor]:
        return [self.nets[name](inputs) for name, inputs in seen.items()]

    def parameter_groups(self) -> Mapping[str, list[nn.Parameter]]:
        return {name: list(network.parameters()) for name, network in self.nets.items()}

    def group_joints(self) -> Mapping[str, tuple[int, ...]]:
        return dict(self.parts)


class SplitCombine(Representation):
    """A network for each part gives features, as many in all as a layer is wide; another makes all depths of them.

    Attributes:
        blocks: residual blocks before the features are combined, in each part.
        common_blocks: residual blocks after that.
    """

    blocks: ClassVar[int]
    common_blocks: ClassVar[int]

    def networks(self, parts: Parts, config: RepresentationConfig, width: int, device: torch.device) -> nn.ModuleDict:
        features, joints = shares(parts, width), sum(map(len, parts.values()))
        split = {
            name: _branch(config, 2 * len(part), width, features[name], self.blocks, device)
            for name, part in parts.items()
        }
        combine = _branch(config, width, width, joints, self.common_blocks, device, stem=False)
        return nn.ModuleDict({**split, "combine": combine})

    def depths(self, seen: Mapping[str, Tensor]) -> list[Tensor]:
        features = [self.nets[name](inputs) for name, inputs in seen.items()]
        return [self.nets["combine"](torch.cat(features, dim=1))]


class SplitCombineLegTorso(SplitCombine):
    """Legs and torso, two blocks each, then two blocks for both."""

    name = "splitcombine_legtorso"
    blocks = 2
    common_blocks = 2

    def divide(self, skeleton: Skeleton) -> Parts:
        return legs_and_torso(skeleton, self.name)


class IndependentLegTorso(Independent):
    """Legs and torso, three blocks each."""

    name = "independent_legtorso"
    blocks = 3

    def divide(self, skeleton: Skeleton) -> Parts:
        return legs_and_torso(skeleton, self.name)


class SplitCombineLimbs(SplitCombine):
    """Four limbs and torso, one block each, then one block for all."""

    name = "splitcombine_limbs"
    blocks = 1
    common_blocks = 1

    def divide(self, skeleton: Skeleton) -> Parts:
        return five_limbs(skeleton, self.name)


class IndependentLimbs(Independent):
    """Four limbs and torso, one block each."""

    name = "independent_limbs"
    blocks = 1

    def divide(self, skeleton: Skeleton) -> Parts:
        return five_limbs(skeleton, self.name)
