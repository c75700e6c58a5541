"""An input, and two lifters: one of two parts that reads it, and one that there is nothing to train of."""

import attrs
import torch
from torch import nn

from poseplug.core.interfaces import InputProvider, Lifter
from poseplug.core.settings import setting


class BoxSize(InputProvider):
    """How large people are in the image: width and height [N, 2] of their boxes, as shares of its own."""

    reads = frozenset({"boxes"})

    def provide(self, batch, **inputs):
        """Return the sizes, made of what the core provides."""
        boxes = inputs["boxes"]
        return (boxes[:, 2:] - boxes[:, :2]) / batch.camera.size


@attrs.frozen(kw_only=True)
class TwoPartConfig:
    """Settings of the two parts."""

    channels: int = setting(32, "width of the hidden layers", minimum=1)
    dropout: float = setting(0.2, "dropout while the plane is trained", minimum=0, maximum=0.9)


class TwoPart(Lifter):
    """Finds x and y, and is then trained to find z while they stay as they are."""

    Config = TwoPartConfig
    reads = frozenset({"box_size"})

    def __init__(self, config, context):
        super().__init__()
        joints = context.layout.num_joints
        self.config = config
        self.hidden = nn.Sequential(nn.Linear(2 * joints + 2, config.channels), nn.BatchNorm1d(config.channels))
        self.dropout = nn.Dropout(config.dropout)
        self.plane = nn.Linear(config.channels, 2 * joints)
        self.depth = nn.Sequential(nn.Linear(2 * joints + 2, config.channels), nn.ReLU())
        self.depth.append(nn.Linear(config.channels, joints))
        self.groups = frozenset()
        for group in self.parameter_groups():
            self.register_buffer(f"steps_{group}", torch.zeros((), dtype=torch.long))

    def forward(self, joints_2d, **inputs):
        """Return joints [N, J, 3] in metres."""
        if self.training:
            for group in self.groups:
                getattr(self, f"steps_{group}").add_(1)
        seen = torch.cat([joints_2d.flatten(1), inputs["box_size"]], dim=1)
        plane = self.plane(self.dropout(self.hidden(seen)).relu())
        return torch.cat([plane.unflatten(1, (-1, 2)), self.depth(seen)[..., None]], dim=-1)

    def parameter_groups(self):
        """Return the parameters of the plane and of the depth."""
        plane = [*self.hidden.parameters(), *self.plane.parameters()]
        return {"plane": plane, "depth": list(self.depth.parameters())}

    def begin_phase(self, groups):
        """Do without dropout once the plane is found."""
        self.groups = groups
        self.dropout.p = self.config.dropout if "plane" in groups else 0.0

    @classmethod
    def default_phases(cls, config):
        """Return 30 % of the steps for the plane and 70 % for the depth, each at a rate of its own."""
        return (
            {"name": "plane", "share": 0.3, "trains": ("lifter:plane",), "lr": 1e-2, "lr_schedule": "constant"},
            {"name": "depth", "share": 0.7, "trains": ("lifter:depth",), "lr": 2e-3, "lr_schedule": "constant"},
        )

    def diagnostics(self):
        """Return how many batches each part was trained on."""
        return {f"steps_{group}": float(getattr(self, f"steps_{group}")) for group in self.parameter_groups()}


@attrs.frozen(kw_only=True)
class FlatConfig:
    """Settings of people of paper."""

    width: float = setting(1.5, "size of what fills the image", unit="m", above=0)


class Flat(Lifter):
    """Takes people for flat, and for as far away as anyone else; there is nothing to train."""

    Config = FlatConfig

    def __init__(self, config, context):
        super().__init__()
        self.width = config.width

    def forward(self, joints_2d, **inputs):
        """Return joints [N, J, 3] in metres."""
        return self.width * torch.cat([joints_2d, torch.zeros_like(joints_2d[..., :1])], dim=-1)
