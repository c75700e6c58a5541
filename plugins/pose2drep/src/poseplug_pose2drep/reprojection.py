"""Hardy, Dasmahapatra, Kim: Optimising 2D Pose Representation, arXiv 2209.00618, Sec. 3.3 to 3.6 (eqs. 2 to 7).

Depth from 2D poses alone. Written from the paper and from a description of what its released code does, without any of
that code; where the two differ is said in this distribution's README.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, Lifter, Objective, OutputHead, Step
from poseplug.core.settings import setting
from poseplug.core.tensors import constant
from poseplug_pose2drep.depth_head import DepthHead
from poseplug_pose2drep.turn_and_project import Projection, Turn
from poseplug_pose2drep.views import Views

_AZIMUTH = 8 * math.pi / 9
_ELEVATION = math.pi / 18


@attrs.frozen(kw_only=True)
class ReprojectionConfig:
    """Settings of the reprojection objective; weights are those of the released code."""

    adversarial: float = setting(1.0, "weight w1 of what discriminators say of turned poses", minimum=0)
    cycle: float = setting(
        10.0, "weight w2 of L2D: turned, lifted again and turned back, a pose is what it was", minimum=0
    )
    right_angle: float = setting(3.0, "weight w3 of L90: depth and width change places in quarter turns", minimum=0)
    half_turn_sign: str = setting(
        "right",
        "right: a half turn reverses depth, G(-x, y) = -z (eq. 5); wrong: G(-x, y) = +z, as the released code has it "
        "for independent_limbs, against the other two terms of L90",
        choices=("right", "wrong"),
    )
    rotations: str = setting(
        "sample",
        "sample: one rotation for each pose; batch: one for all, as in the released code",
        choices=("sample", "batch"),
    )
    azimuth: float = setting(_AZIMUTH, "rotations about the vertical are uniform within +- this", unit="rad", minimum=0)
    elevation: float = setting(_ELEVATION, "then about the horizontal, within +- this", unit="rad", minimum=0)
    projection: str = setting(
        "orthographic",
        "how turned poses are seen; with perspective, a quarter turn no longer makes exactly x of z, as L90 has it",
        choices=("orthographic", "perspective"),
    )
    distance: float = setting(
        10.0, "perspective: from the camera to the root, in units of the normalised pose", minimum=2
    )
    mirror: float = setting(
        0.5,
        "probability that a whole batch is mirrored; left stays left, so it is seen from behind",
        minimum=0,
        maximum=1,
    )
    labelled_poses: int = setting(
        100,
        "poses with 3D labels that tell the sign of all depths and the body's size after training; 0 for none",
        minimum=0,
    )


class Reprojection(Objective):
    """L = w1 Ladv + w2 L2D + w3 L90 (eq. 7), with means over poses, joints but the root, and coordinates.

    With Y the normalised pose, z = G(Y), a random rotation R and the projection P:

    * Yt = P R (Y, z) is judged by the discriminators (Ladv) and lifted again;
    * L2D compares Y with P R^-1 (Yt, G(Yt)) (eq. 2);
    * L90 compares G(z, y) with -x, G(-z, y) with x and G(-x, y) with -z (eqs. 3 to 5).

    Nothing is detached: gradients flow through Yt and z. Where the lifter has independent parts, L2D and L90 are sums
    of the parts' own means, and each part learns from Ladv in proportion to its joints.
    """

    Config = ReprojectionConfig
    needs_3d = False
    needs_discriminator = True
    shows_3d = False
    default_discriminator = "pose2d_residual"

    def __init__(self, config: ReprojectionConfig, context: BuildContext) -> None:
        nn.Module.__init__(self)
        self.config = config
        self.labelled_poses = config.labelled_poses
        self.projection = Projection(1 / config.distance if config.projection == "perspective" else 0.0)

    def output_head(self, lifter: Lifter, skeleton: Skeleton) -> OutputHead:
        """Return the reading of depths whose sign and size a few labelled poses tell; nothing else tells them here."""
        return DepthHead(skeleton, lifter.group_joints(), self.labelled_poses)

    def loss(self, step: Step) -> Mapping[str, Tensor]:
        stream = step.joined()
        poses = stream.batch
        joints = _joint_weights(tuple(step.groups.items()), poses.skeleton.num_joints, poses.skeleton.root)
        own, share = (constant(values, poses.device) for values in joints)

        def mean(errors: Tensor) -> Tensor:
            return stream.mean((errors * own).sum(-1))

        views = Views.of(poses, step.lift)
        image = views.original * self._mirrors(step, len(poses))
        x, y = image.unbind(-1)
        z, behind = views.depths([image, torch.stack([-x, y], dim=-1)])
        turn = self._turn(step, len(poses))
        turned = self.projection.project(turn.turn(self.projection.unproject(image, z)))
        again, right, left = views.depths([turned, torch.stack([z, y], dim=-1), torch.stack([-z, y], dim=-1)])
        back = self.projection.project(turn.turn_back(self.projection.unproject(turned, again)))
        half_turn = behind + z if self.config.half_turn_sign == "right" else behind - z
        quarters = (right + x).square() + (left - x).square()
        # The value is that of ``turned``; the gradient to a part's joints is as large as its share of them.
        judged = views.shown(torch.lerp(turned.detach(), turned, share[:, None]))
        said = step.adversarial_loss("final", judged)
        return {
            "cycle": self.config.cycle * mean((back - image).square().mean(-1)),
            "right_angle": self.config.right_angle * mean(quarters + half_turn.square()),
            **{f"adversarial_{name}": self.config.adversarial * loss for name, loss in said.items()},
        }

    def _mirrors(self, step: Step, n: int) -> Tensor:
        """Return factors [N, 1, 2] for x and y that mirror all of a batch, or none."""
        sign = torch.where(_uniform(step, 1) < self.config.mirror, -1.0, 1.0).expand(n)
        return torch.stack([sign, torch.ones_like(sign)], dim=-1)[:, None]

    def _turn(self, step: Step, n: int) -> Turn:
        count = 1 if self.config.rotations == "batch" else n
        angles = [
            ((2 * _uniform(step, count) - 1) * limit).expand(n)
            for limit in (self.config.azimuth, self.config.elevation)
        ]
        return Turn.of(*angles)


def _uniform(step: Step, count: int) -> Tensor:
    return torch.rand(count, generator=step.generator, device=step.generator.device)


@lru_cache(maxsize=64)
def _joint_weights(
    groups: tuple[tuple[str, tuple[int, ...]], ...], joints: int, root: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return for each joint how much it counts in its part's mean, and its part's share of all joints (root: 0, 1)."""
    parts = [part for _, part in groups] or [tuple(j for j in range(joints) if j != root)]
    total = sum(map(len, parts))
    part_of = {joint: part for part in parts for joint in part}
    own = tuple(1 / len(part_of[j]) if j in part_of else 0.0 for j in range(joints))
    share = tuple(len(part_of[j]) / total if j in part_of else 1.0 for j in range(joints))
    return own, share
