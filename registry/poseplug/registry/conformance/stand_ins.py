"""What stands in for the rest of a run while one component is checked: lifter, roots, a discriminator's judgement."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import ROOTS, BuildContext, InputProvider, Lifter, NoConfig, RootEstimator
from poseplug.core.models.inputs import Inputs
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.registry.config.read_settings import structure
from poseplug.registry.config.resolve import Part, construct, find_inputs
from poseplug.registry.conformance.verdict import Broken
from poseplug.registry.discovery.catalogue import load_catalogue


class LinearLifter(Lifter):
    """One linear layer, whose weights are the same in every run."""

    def __init__(self, config: NoConfig, context: BuildContext) -> None:
        super().__init__()
        joints = context.layout.num_joints
        # Not drawn at random: the kit must leave the global random state alone, too.
        weight = torch.linspace(-0.1, 0.1, 6 * joints * joints, device=context.device)
        self.weight = nn.Parameter(weight.view(2 * joints, 3 * joints))
        self.bias = nn.Parameter(torch.linspace(-0.1, 0.1, 3 * joints, device=context.device))

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        return (joints_2d.flatten(1) @ self.weight + self.bias).view(joints_2d.shape[0], -1, 3)


class TrueRoots(InputProvider):
    """Absolute roots [N, 3], as if they had been predicted without error."""

    def __init__(self, config: NoConfig, context: BuildContext) -> None: ...

    def provide(self, batch: PoseBatch, **inputs: Any) -> Tensor:
        return batch.root


class FixedDepthRoot(RootEstimator):
    """Everybody is where their mean key point lies, at a depth of 5 m."""

    def forward(self, **inputs: Any) -> Tensor:
        seen: Tensor = inputs["joints_2d"].mean(1, keepdim=True)
        roots: Tensor = inputs["camera"].unproject(seen, torch.full_like(seen[..., 0], 5.0))[:, 0]
        return roots

    def loss(self, roots: Tensor, batch: PoseBatch, **inputs: Any) -> Mapping[str, Tensor]:
        return {}


def context_of(poses: PoseBatch) -> BuildContext:
    """Return the context of a run on such poses."""
    return BuildContext(skeleton=poses.skeleton, device=poses.device)


def stand_in_inputs(part: Any, context: BuildContext) -> Inputs:
    """Return what makes the inputs that a component reads; people's true roots stand in for predicted ones."""
    given = {ROOTS: [Part(ROOTS, TrueRoots, NoConfig())]}
    try:
        found = find_inputs(load_catalogue(), type(part).__name__, part.reads, given)
    except PoseplugError as error:
        raise Broken(f"reads what nothing here provides: {error}") from None
    return Inputs({name: [_small(part, context) for part in made] for name, made in found.items()})


def _small(part: Part, context: BuildContext) -> Any:
    """Construct an input as it is checked itself: by its ``example_settings``, where it has some."""
    example = getattr(part.component, "example_settings", None)
    if example is None:
        return construct(part, context)
    with TemporaryDirectory(prefix="poseplug-check-") as folder:
        config = structure(part.component.Config, dict(example(Path(folder))), f"input '{part.name}'")
        return construct(attrs.evolve(part, config=config), context)


def sees_scenes(part: Any, context: BuildContext) -> bool:
    """Say whether a component is about scenes: it searches them, makes something of them, or reads what is made so."""
    about = getattr(part, "finds", False) or getattr(part, "per_scene", False)
    reads: frozenset[str] = getattr(part, "reads", frozenset())
    return bool(about or (reads and stand_in_inputs(part, context).of_scenes(reads)))


def stand_in_model(skeleton: Skeleton, device: torch.device) -> LiftingModel:
    """Return a lifter under training, ready to be called with batches."""
    return LiftingModel(LinearLifter(NoConfig(), BuildContext(skeleton=skeleton, device=device)), skeleton)


def adversarial_loss(poses: PoseBatch) -> Mapping[str, Tensor]:
    """Return what a discriminator that looks at everything might say of poses, as a loss to learn from."""
    scores = poses.joints_2d.square().mean() / poses.camera.size.square().mean()
    if poses.joints_3d is not None:
        scores = scores + poses.root_relative.square().mean()
    return {"stand_in": scores}
