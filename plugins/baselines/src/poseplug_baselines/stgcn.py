"""Cai et al.: Exploiting spatial-temporal relationships for 3D pose estimation via graph networks, ICCV 2019.

The single-frame network that PoseAug and PoseGU train: graph convolutions on the joints, on the body parts and on the
whole body, handed back down to the joints. Its graph has 17 joints; on 16-joint skeletons a neck is put between thorax
and head on the way in, and dropped on the way out.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from poseplug.core.interfaces import BuildContext, Lifter
from poseplug.core.models.dense import Dense, Norm, dense, dropout
from poseplug.core.settings import setting
from poseplug_baselines.attention import JointAttention
from poseplug_baselines.classconv import ClassBlock
from poseplug_baselines.graph import body_parts, joint_graph, part_graph, part_index, with_neck
from poseplug_baselines.memory import in_chunks


@attrs.frozen(kw_only=True)
class STGCNConfig:
    """Settings of the local-to-global graph convolutional network."""

    channels: int = setting(
        128, "features of a joint in the first layers; later layers have 2 and 4 times as many", minimum=1
    )
    dropout: float | None = setting(
        None,
        "dropout probability in all layers; default: 0.05 in graph convolutions, 0.25 whole body, 0.1 after it",
        minimum=0,
        maximum=1,
    )


class STGCN(Lifter):
    """Graph convolutions with local-to-global pooling; predicts the root too."""

    Config = STGCNConfig

    membership: Tensor

    def __init__(self, config: STGCNConfig, context: BuildContext) -> None:
        super().__init__()
        device, width, given = context.device, config.channels, config.dropout
        blocks, self.drop_body, self.drop_joints = (0.05, 0.25, 0.1) if given is None else (given, given, given)
        skeleton = with_neck(context.layout)
        self.neck = skeleton.index("Neck") if skeleton is not context.layout else None
        self.thorax = context.layout.index("Thorax") if self.neck is not None else 0
        self.parts = body_parts(skeleton)
        joints, parts = joint_graph(skeleton), part_graph(skeleton, self.parts)
        membership = functional.one_hot(torch.tensor(part_index(self.parts)), len(self.parts)).float()
        self.register_buffer("membership", membership.to(device), persistent=False)
        # The authors' code gives its momentum where PyTorch expects eps: inputs of small variance are damped.
        self.input_norm = nn.BatchNorm1d(2 * skeleton.num_joints, eps=0.1, device=device)
        self.joint_blocks = nn.Sequential(
            ClassBlock(2, width, joints, blocks, device, shortcut=False),
            ClassBlock(width, width, joints, blocks, device),
            ClassBlock(width, 2 * width, joints, blocks, device),
        )
        self.part_blocks = nn.Sequential(
            ClassBlock(2 * width, 4 * width, parts, blocks, device),
            ClassBlock(4 * width, 4 * width, parts, blocks, device),
        )
        self.body = Dense(4 * width, 4 * width, device=device)
        self.body_norm = Norm(4 * width, device=device)
        self.merge = Dense(8 * width, 2 * width, device=device)
        self.merge_norm = Norm(2 * width, device=device)
        self.attention = JointAttention(2 * width, 2 * width, device)
        self.head = Dense(4 * width, 3, device=device)

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        return in_chunks(self._lift, joints_2d, self.training)

    def _lift(self, joints_2d: Tensor) -> Tensor:
        joints = self.joint_blocks(self._nodes(joints_2d))
        parts = self.part_blocks(torch.stack([_largest(joints, part) for part in self.parts]))
        body = self.body_norm(self.body(parts.amax(0)), relu=True)
        body = dropout(body, self.drop_body, self.training)
        features = self.attention(joints, self._merged(body, parts), self.membership)
        result: Tensor = self.head(dropout(features, self.drop_joints, self.training)).transpose(0, 1)
        if self.neck is None:
            return result
        return torch.cat([result[:, : self.neck], result[:, self.neck + 1 :]], dim=1)

    def _nodes(self, joints_2d: Tensor) -> Tensor:
        """Return the normalised 2D joints, with a neck where there is none, node-major: [J, N, 2]."""
        if self.neck is not None:
            before, after = joints_2d[:, : self.neck], joints_2d[:, self.neck :]
            neck = 0.5 * (joints_2d[:, self.thorax : self.thorax + 1] + after[:, :1])
            joints_2d = torch.cat([before, neck, after], dim=1)
        normalised: Tensor = self.input_norm(joints_2d.flatten(1))
        return normalised.view(joints_2d.shape).transpose(0, 1).contiguous()

    def _merged(self, body: Tensor, parts: Tensor) -> Tensor:
        """Return a layer on [body, part] for every part; what the body adds is the same for all and computed once."""
        width = self.body.out_features
        both = dense(parts, self.merge.weight[:, width:], self.merge.bias) + dense(body, self.merge.weight[:, :width])
        return dropout(self.merge_norm(both, relu=True), self.drop_joints, self.training)


def _largest(joints: Tensor, part: tuple[int, ...]) -> Tensor:
    """Return the maximum over the joints of a part, [N, C] of [J, N, C]."""
    return reduce(torch.maximum, [joints[joint] for joint in part])
