"""``bdr``: dense maps of depth for people who are given, by all joints' heat (Sec. 3.1; Fig. 3 (b)).

The paper's sees images through a ResNet-50; this one is the network of ``depthmap``.
"""

from __future__ import annotations

import attrs

from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting
from poseplug_virtualpose.roots.depth_network import DepthNetwork
from poseplug_virtualpose.roots.depthmap import DepthMap, DepthMapConfig


@attrs.frozen(kw_only=True)
class BDRConfig:
    """Settings of BDR."""

    channels: int = setting(64, "of the first layers; later ones have 2, 4 and 8 times as many", minimum=1)
    flip: bool = setting(True, "in training mirror half of the scenes")


class BDR(DepthMap):
    """The depth that a map has where a person's root is."""

    Config = BDRConfig

    def __init__(self, config: BDRConfig, context: BuildContext) -> None:
        super().__init__(DepthMapConfig(channels=config.channels, flip=config.flip), context)
        joints = range(context.layout.num_joints)
        self.network = DepthNetwork(joints, config.channels, flip=config.flip).to(context.device)

    @classmethod
    def finds_with(cls, config: BDRConfig) -> bool:  # type: ignore[override]
        return False
