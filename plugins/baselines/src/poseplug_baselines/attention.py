"""The non-local block of Cai et al. (ICCV 2019): every joint attends to all joints, embedded Gaussian."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poseplug.core.models.dense import Dense, Norm, dense


class JointAttention(nn.Module):
    """Adds attention to features that each joint has for itself, followed by features of its body part.

    The affinity of joints i and j is the softmax over j of ``theta_i . phi_j`` without scaling. The identity until its
    normalisation is trained.

    Args:
        channels: features of a joint, and of a part.
        inner: channels of theta, phi and g.
        device: where the parameters live.
    """

    def __init__(self, channels: int, inner: int, device: torch.device) -> None:
        super().__init__()
        self.channels = channels
        self.theta = Dense(2 * channels, inner, device=device)
        self.phi = Dense(2 * channels, inner, device=device)
        self.g = Dense(2 * channels, inner, device=device)
        self.expand = Dense(inner, 2 * channels, device=device)
        self.norm = Norm(2 * channels, device=device)
        nn.init.zeros_(self.norm.weight)

    def forward(self, joints: Tensor, parts: Tensor, membership: Tensor) -> Tensor:
        """Return [J, N, 2 C] for joints [J, N, C], parts [P, N, C] and membership [J, P] (1 where joint is in part)."""
        theta, phi, g = (
            self._embedded(linear, joints, parts, membership).transpose(0, 1)
            for linear in (self.theta, self.phi, self.g)
        )
        affinity = (theta @ phi.mT).softmax(-1)
        update: Tensor = self.norm(self.expand((affinity @ g).transpose(0, 1)))
        whole = torch.cat([joints, (membership @ parts.flatten(1)).view(joints.shape)], dim=-1)
        return whole + update

    def _embedded(self, linear: Dense, joints: Tensor, parts: Tensor, membership: Tensor) -> Tensor:
        """Return the linear map of [joint, its part]; what a part adds is computed once, not for each of its joints."""
        own = dense(joints, linear.weight[:, : self.channels], linear.bias)
        shared = dense(parts, linear.weight[:, self.channels :])
        return torch.addmm(own.flatten(1), membership, shared.flatten(1)).view(own.shape)
