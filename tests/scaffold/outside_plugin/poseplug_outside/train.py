"""An objective that knows no size: the lifter learns poses in units of their bones, and a head makes metres of them."""

import attrs
import torch

from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.interfaces import Objective, OutputHead
from poseplug.core.settings import setting


@attrs.frozen(kw_only=True)
class InBonesConfig:
    """Settings of the objective."""

    labelled_poses: int = setting(50, "with how many labelled poses its head is calibrated", minimum=1)


class InBones(Objective):
    """The absolute error of poses whose bones are 1 long on average."""

    Config = InBonesConfig

    def __init__(self, config, context):
        super().__init__()
        self.config = config

    def output_head(self, lifter, skeleton):
        """Return what turns bones into metres."""
        return Bones(self.config.labelled_poses)

    def loss(self, step):
        """Return the error of each stream."""
        return {stream.name: stream.mean((lifted - target(stream.batch)).abs()) for stream, lifted in step.lifted()}


class Bones(OutputHead):
    """Multiplies by the length of bones: that of the training poses, and in the end that of labelled ones."""

    needs_fit = True

    def __init__(self, labelled_poses):
        super().__init__()
        self.labelled_poses = labelled_poses
        self.register_buffer("length", torch.ones(()))
        self.register_buffer("labelled", torch.zeros(()))

    def forward(self, batch, output):
        """Return joints [N, J, 3] in metres."""
        return output * self.length

    def fit(self, batch):
        """Take the length from poses of the training set."""
        self.length.copy_(mean_length(batch).mean())

    def calibrate(self, batch, output):
        """Take it from labelled poses."""
        self.fit(batch)
        self.labelled.fill_(len(batch))
        return {"length": self.length.clone()}

    def diagnostics(self):
        """Return the length, and how many poses it was taken from in the end."""
        return {"bone_m": float(self.length), "labelled": float(self.labelled)}


def target(batch):
    """Return root-relative joints [N, J, 3] in units of their bones."""
    return batch.root_relative / mean_length(batch)[:, None, None]


def mean_length(batch):
    """Return the mean length [N] of people's bones, metres; never so small that nothing can be divided by it."""
    return bone_lengths(batch.absolute, batch.skeleton).mean(1).clamp_min(1e-6)
