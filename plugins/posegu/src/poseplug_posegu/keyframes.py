"""Key frames: random angles within the seed poses' ranges, and what stays along a sequence (section 4.2, eq. 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
import torch
from torch import Tensor

from poseplug_posegu.inverse_kinematics import Posture
from poseplug_posegu.seed_poses import Bodies, Ranges, SeedPoses, angle_ranges


@attrs.frozen
class Gaps:
    """G steps from one key frame to the next; the last dimension of every tensor is G.

    Attributes:
        start, end: [K, G] angles of the two key frames, radians: x, y and z of all M bones, then yaw, pitch and roll of
            the root.
        lengths: [M, G] bone lengths, metres.
        seed: [G] the seed pose whose camera and place the body takes.
        action, subject: [G] class numbers.
    """

    start: Tensor
    end: Tensor
    lengths: Tensor
    seed: Tensor
    action: Tensor
    subject: Tensor


class KeyFrames:
    """Draws sequences of key frames.

    Args:
        seeds: the seed poses.
        posture: of the seed poses, in an upright frame.
        bodies: the body sizes to choose from.
        bone_order: the order of the bones in what is drawn.
        tilt: bound of pitch and roll in radians; None takes the range of the action's seed poses.
        turning: whether the root turns between key frames, or only from sequence to sequence.
    """

    def __init__(
        self,
        seeds: SeedPoses,
        posture: Posture,
        bodies: Bodies,
        bone_order: Sequence[int],
        *,
        tilt: float | None,
        turning: bool,
    ) -> None:
        self._seeds = seeds
        self._turning = turning
        self._lengths = bodies.lengths[:, bone_order].T.contiguous()
        self._subjects = bodies.subject
        bones = angle_ranges(posture.angles[:, bone_order].transpose(1, 2).flatten(1), seeds)
        lean = angle_ranges(_lean(posture.frame), seeds)
        if tilt is not None:
            lean = Ranges(torch.full_like(lean.low, -tilt), torch.full_like(lean.span, 2 * tilt))
        yaw = torch.full_like(lean.low[:, :1], math.pi)
        self._low = torch.cat([bones.low, -yaw, lean.low], dim=1).T.contiguous()
        self._span = torch.cat([bones.span, 2 * yaw, lean.span], dim=1).T.contiguous()

    def draw(self, gaps: int, steps: int, generator: torch.Generator) -> Gaps:
        """Draw as many gaps from sequences of ``steps`` gaps each; all actions have equal shares of the sequences."""
        device, seeds = self._low.device, self._seeds
        sequences = math.ceil(gaps / steps)

        def integers(high: int, size: int) -> Tensor:
            return torch.randint(high, (size,), generator=generator, device=device)

        turn = torch.arange(sequences, device=device) + integers(len(seeds.actions), 1)
        action = turn % len(seeds.actions)
        chance = torch.rand(sequences, generator=generator, device=device)
        count = seeds.count[action]
        seed = seeds.start[action] + torch.minimum((chance * count).long(), count - 1)
        body = integers(len(self._subjects), sequences)
        keys = torch.rand(len(self._low), steps + 1, sequences, generator=generator, device=device)
        low, span = self._low.index_select(1, action), self._span.index_select(1, action)
        keys = torch.addcmul(low[:, None], keys, span[:, None])
        if not self._turning:
            keys[-3:] = keys[-3:, :1].clone()
        member = torch.arange(gaps, device=device) % sequences
        return Gaps(
            start=keys[:, :-1].flatten(1)[:, :gaps],
            end=keys[:, 1:].flatten(1)[:, :gaps],
            lengths=self._lengths.index_select(1, body[member]),
            seed=seed[member],
            action=seeds.actions[action[member]],
            subject=self._subjects[body[member]],
        )


def inter_frame_weights(frames: int, gaps: int, total: int, generator: torch.Generator) -> Tensor:
    """Return n / N [frames, gaps] (eq. 7) for consecutive n of N = ``total``, in each gap from a random n on.

    Every n is equally likely for every pose, also where fewer than N frames are taken from a gap.
    """
    device = generator.device
    first = torch.randint(total, (gaps,), generator=generator, device=device)
    return ((torch.arange(frames, device=device)[:, None] + first) % total + 1) / total


def _lean(frame: Tensor) -> Tensor:
    """Return pitch and roll [S, 2] of root frames [S, 3, 3] = Ry(yaw) Rx(pitch) Rz(roll), radians."""
    pitch = -frame[:, 1, 2].clamp(-1, 1).asin()
    roll = torch.atan2(frame[:, 1, 0], frame[:, 1, 1])
    return torch.stack([pitch, roll], dim=-1)
