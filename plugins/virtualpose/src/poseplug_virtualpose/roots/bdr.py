"""BDR, depth from a dense map: VirtualPose's third baseline (Sec. 3.1), as in Zhen et al.: SMAP, ECCV 2020.

A network says of every cell of the scene how far away a person would be whose root is there; it is read where the true
root is seen. VirtualPose's own depth estimator is such a network, for people whom it has to find.

Deviations: maps instead of images (the paper's Fig. 3 (b) does so, too), so a ResNet-18 instead of a ResNet-50.
"""

from __future__ import annotations

import attrs
from torch import Tensor

from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting
from poseplug_virtualpose.roots.depth_network import DepthNetwork, read_depth
from poseplug_virtualpose.roots.given_people import Given, GivenPeopleRoot


@attrs.frozen(kw_only=True)
class BDRConfig:
    """Settings of depth from dense maps."""

    channels: int = setting(64, "of the first layers; later ones have 2, 4 and 8 times as many", minimum=1)


class BDR(GivenPeopleRoot):
    """A map of depth over the scene, from the heat maps of all joints, read where a person's root is."""

    Config = BDRConfig

    def __init__(self, config: BDRConfig, context: BuildContext) -> None:
        super().__init__(context)
        self.network = DepthNetwork(range(context.layout.num_joints), config.channels)

    def depth(self, given: Given) -> Tensor:
        """Return what the map says in the cells of roots, metres."""
        return read_depth(self.network(given.maps), given.scene, given.place)
