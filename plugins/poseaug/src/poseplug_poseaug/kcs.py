"""Discriminators of bone angles in the kinematic chain space: part by part (PoseAug, eq. 7) and the whole body.

The angles are cosines between unit bone vectors, so position, rotation and bone lengths do not matter. The networks
are 225 wide at their input on h36m16, like the released code's, which hands them a 15 x 15 matrix for each part with
zeros for all bones outside the part. Here only the entries that can differ from zero are computed, one of each two
equal ones, and met with the sum of the weights of both: the same function, at a twentieth of the memory.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.kinematics import bone_vectors
from poseplug.core.interfaces import BuildContext
from poseplug.core.models.dense import Dense, dense
from poseplug.core.settings import setting
from poseplug_poseaug.adversary import Adversary, AdversaryConfig
from poseplug_poseaug.anatomy import part_bones
from poseplug_poseaug.perceptron import SLOPE, kaiming

_CHANNELS, _NARROW = 256, 100


@attrs.frozen(kw_only=True)
class KCSConfig(AdversaryConfig):
    """Settings of the discriminators of bone angles."""

    weight: float = setting(6.0, "factor on what it teaches the augmentor", minimum=0)


class ChainSpace(nn.Module):
    """The cosines between the bones of one or several parts.

    Args:
        parts: the bones of each part.
        device: where to compute.
    """

    first: Tensor
    second: Tensor

    def __init__(self, parts: tuple[tuple[int, ...], ...], device: torch.device) -> None:
        super().__init__()
        self.pairs = [list(combinations_with_replacement(part, 2)) for part in parts]
        flat = torch.tensor([pair for pairs in self.pairs for pair in pairs], device=device)
        self.register_buffer("first", flat[:, 0].contiguous(), persistent=False)
        self.register_buffer("second", flat[:, 1].contiguous(), persistent=False)

    def forward(self, directions: Tensor) -> tuple[Tensor, ...]:
        """Return for each part its cosines [N, pairs], from unit bone vectors [N, M, 3]."""
        # Poses last: then whole rows are gathered, and arithmetic runs along them.
        x, y, z = directions.permute(2, 1, 0).contiguous().unbind(0)
        cosines = x.index_select(0, self.first) * x.index_select(0, self.second)
        for axis in (y, z):
            cosines = torch.addcmul(cosines, axis.index_select(0, self.first), axis.index_select(0, self.second))
        return tuple(part.T for part in torch.split(cosines, [len(pairs) for pairs in self.pairs]))


class ChainCritic(nn.Module):
    """Scores the matrix of cosines of one part.

    Args:
        bones: M, of the whole skeleton.
        pairs: the pairs of bones whose cosines it is handed; a bone with itself, and of two different bones one order.
        device: where the parameters live.
    """

    upper: Tensor
    lower: Tensor
    twice: Tensor

    def __init__(self, bones: int, pairs: list[tuple[int, int]], device: torch.device) -> None:
        super().__init__()
        self.enter = nn.Linear(bones * bones, _CHANNELS, device=device)
        self.second = Dense(_CHANNELS, _CHANNELS, device=device)
        self.third = Dense(_CHANNELS, _CHANNELS, device=device)
        self.narrow = Dense(_CHANNELS, _NARROW, device=device)
        self.score = nn.Linear(_NARROW, 1, device=device)
        columns = {
            "upper": torch.tensor([i * bones + j for i, j in pairs], device=device),
            "lower": torch.tensor([j * bones + i for i, j in pairs], device=device),
            "twice": torch.tensor([float(i != j) for i, j in pairs], device=device),
        }
        for name, values in columns.items():
            self.register_buffer(name, values, persistent=False)

    def forward(self, cosines: Tensor) -> Tensor:
        """Return scores [N, 1] for cosines [N, pairs]."""
        weight = self.enter.weight
        # The matrix is symmetric: an entry off its diagonal counts with two weights, one on it with one.
        folded = torch.addcmul(weight.index_select(1, self.upper), weight.index_select(1, self.lower), self.twice)
        first = functional.leaky_relu(dense(cosines, folded, self.enter.bias), SLOPE)
        second = functional.leaky_relu(self.second(first), SLOPE)
        third = self.third(second) + first
        score: Tensor = self.score(functional.leaky_relu(self.narrow(third), SLOPE))
        return score


class KCS(Adversary):
    """Judges bone angles by a critic for each of the given groups of bones.

    Args:
        config: its settings.
        context: the run.
        parts: the bones that are judged together, for each critic.
    """

    stage = "bones"
    needs_3d = True
    Config = KCSConfig

    def __init__(self, config: KCSConfig, context: BuildContext, parts: tuple[tuple[int, ...], ...]) -> None:
        skeleton, device = context.layout, context.device
        super().__init__(config, context, (skeleton.num_joints, 3))
        self.skeleton = skeleton
        self.space = ChainSpace(parts, device)
        self.critics = nn.ModuleList(ChainCritic(skeleton.num_bones, pairs, device) for pairs in self.space.pairs)
        kaiming(self)

    def forward(self, batch: PoseBatch) -> Tensor:
        directions = functional.normalize(bone_vectors(batch.absolute, self.skeleton), dim=-1)
        cosines = self.space(directions)
        return torch.cat([critic(part) for critic, part in zip(self.critics, cosines, strict=True)], dim=1)

    def _memorable(self, fake: PoseBatch) -> Tensor:
        return fake.absolute

    def _recalled(self, fake: PoseBatch, mixed: Tensor) -> PoseBatch:
        # Nothing here looks at the image, so it is not projected anew.
        return attrs.evolve(fake, joints_3d=mixed)


class PartKCS(KCS):
    """Judges the bone angles within each part of the body, with a score for each: part-aware KCS."""

    def __init__(self, config: KCSConfig, context: BuildContext) -> None:
        super().__init__(config, context, tuple(part_bones(context.layout).values()))


class FullKCS(KCS):
    """Judges the bone angles of the whole body with one score: the plain KCS that part-aware KCS is held against."""

    def __init__(self, config: KCSConfig, context: BuildContext) -> None:
        skeleton = context.layout
        if skeleton.num_bones < 2:
            raise PoseplugError(f"Discriminator 'kcs_full' judges angles, and skeleton '{skeleton.name}' has one bone.")
        super().__init__(config, context, (tuple(range(skeleton.num_bones)),))
