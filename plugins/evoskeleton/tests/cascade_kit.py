"""What tests of the cascade share: poses that come again and again, and runs from a document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import PoseSource
from poseplug.core.training.trainer import Trainer
from poseplug.registry.discovery.catalogue import Catalogue, load_catalogue
from poseplug.registry.runs.build import build
from poseplug.registry.runs.plan import make_plan

CPU = torch.device("cpu")
TINY = "tagnet:channels=8,blocks=1,dropout=0"


def people(n: int, skeleton: Skeleton = H36M_16, seed: int = 0, dtype: torch.dtype = torch.float32) -> PoseBatch:
    """Return n random people, some metres in front of a camera."""
    generator = torch.Generator().manual_seed(seed)
    joints = torch.randn(n, skeleton.num_joints, 3, generator=generator, dtype=dtype) * 0.3
    joints += torch.tensor([0.0, 0.0, 5.0])
    camera = Camera.shared(n, (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0))
    camera = attrs.evolve(camera, **{f: getattr(camera, f).to(dtype) for f in ("focal", "centre", "size")})
    return PoseBatch.seen(skeleton, joints, camera)


class Rounds(PoseSource):
    """The same few poses in rounds, as many at a time as a step takes; whoever asks for more gets all of them.

    Args:
        poses: all of them.
        size: of a step's batch.
        seeds: how many lifters are trained side by side; each gets the same poses.
    """

    def __init__(self, poses: PoseBatch, size: int, seeds: int = 1) -> None:
        self.poses, self.size, self.seeds = poses, size, seeds
        self.skeleton = poses.skeleton
        self.step = 0

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        if n > self.size * self.seeds:
            return self.poses
        first = self.step * self.size % len(self.poses)
        self.step += 1
        return self.poses.select(first + torch.arange(self.size).repeat_interleave(self.seeds))


def trainer_of(
    lifter: dict[str, Any],
    steps: int = 12,
    source: PoseSource | None = None,
    checkpoint: Path | None = None,
    catalogue: Catalogue | None = None,
    **settings: Any,
) -> Trainer:
    """Return the trainer of a run that is planned and built as the command line does; nothing is trained yet."""
    document = {
        "source": [{"name": "builtin", "takes": 1, "frames": 8}],
        "lifter": lifter,
        "steps": steps,
        "batch_size": 16,
        "clip_norm": 0.0,
        "log_every": 1,
        "checkpoint_every": 1000,
        **settings,
    }
    catalogue = catalogue or load_catalogue()
    plan = make_plan(document, catalogue)
    run = build(plan, catalogue, CPU)
    assembly = run.assembly if source is None else attrs.evolve(run.assembly, source=source)
    return Trainer(assembly, run.training, CPU, checkpoint, phases=plan.phases)


def curve(trainer: Trainer, name: str) -> list[float]:
    """Return what was logged under a name, at every step."""
    return list(trainer.history.values[name].values())
