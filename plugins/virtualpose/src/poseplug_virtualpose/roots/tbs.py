"""TBS, depth from the size of boxes: Moon, Chang, Lee: Camera distance-aware top-down approach, ICCV 2019 (RootNet).

Whoever fills a box of so many pixels would be at a distance k if everybody were of one size; a network that sees the
person upright and close, and not where in the image, corrects it by a factor. VirtualPose's first baseline (Sec. 3.1).

Deviations: the network sees maps, not images, so it is a ResNet-18 without RootNet's deconvolutions; what is outside of
the person's own box may be left out; the factor is positive, and 1 before training.
"""

from __future__ import annotations

import math

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting
from poseplug_virtualpose.roots.given_people import Given, GivenPeopleRoot
from poseplug_virtualpose.roots.residual_stages import ResidualStages

# RootNet's person: what fills a square of 2 m. Its boxes are squares of 1.25 times the longer side.
_SIZE_M, _PADDING = 2.0, 1.25
# Where softplus is 1.
_ONE = math.log(math.e - 1)
# Cells of the first stage's side, from which the four stages leave 2.
_FIRST_STAGE = 16


def _square(value: int) -> str | None:
    return None if value in (16, 32, 64) else f"must be 16, 32 or 64, got {value}"


@attrs.frozen(kw_only=True)
class TBSConfig:
    """Settings of depth from box sizes."""

    channels: int = setting(64, "width of the network's first stage; 64 make a ResNet-18", minimum=1)
    crop: int = setting(64, "side of what the network sees of a person: 16, 32 or 64 cells", check=_square)
    boxed: bool = setting(True, "leave out what is outside of a person's box, such as other people")


class TBS(GivenPeopleRoot):
    """Depth k gamma: k from the area of a person's box, gamma from a network on their crop of the heat maps."""

    Config = TBSConfig

    def __init__(self, config: TBSConfig, context: BuildContext) -> None:
        super().__init__(context)
        self.crop, self.boxed = config.crop, config.boxed
        self.network = ResidualStages(context.layout.num_joints, config.channels, config.crop // _FIRST_STAGE)
        self.factor = nn.Linear(self.network.widths[-1], 1)
        nn.init.zeros_(self.factor.weight)
        nn.init.constant_(self.factor.bias, _ONE)

    def depth(self, given: Given) -> Tensor:
        """Return k gamma, where k = sqrt(fx fy A_real / A_box)."""
        features = self.network(self.crops(given))[-1].mean((-2, -1))
        gamma = functional.softplus(self.factor(features)[:, 0])
        return given.focal * _SIZE_M / (given.side * _PADDING) * gamma

    def crops(self, given: Given) -> Tensor:
        """Return each person's square of the heat maps, [N, J, crop, crop]."""
        maps = given.maps
        steps = (torch.arange(self.crop, device=given.side.device) + 0.5) / self.crop - 0.5
        offsets = steps * (given.side * _PADDING)[:, None]
        x, y = (given.middle[:, axis, None] + offsets for axis in range(2))
        x, y = x[:, None].expand(-1, self.crop, -1), y[:, :, None].expand(-1, -1, self.crop)
        grid = torch.stack([2 * x / maps.width - 1, 2 * y / maps.height - 1], -1)
        crops = functional.grid_sample(maps.heatmaps[given.scene], grid, align_corners=False)
        return crops * given.boxed(x, y)[:, None] if self.boxed else crops
