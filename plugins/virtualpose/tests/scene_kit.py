"""Sources of people and what is asked of scenes, for tests of virtual scenes."""

import attrs
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug.core.sources.pose_table import PoseTable
from poseplug_datasets.builtin import Builtin
from poseplug_virtualpose.scenes.virtual_scenes import VirtualScenes

ROOT = H36M_16.root


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def some_people(n=32, world=True, seed=0):
    """Return people of the embedded reference, each alone, with or without a world."""
    people = Builtin(Builtin.Config(takes=1, frames=16), BuildContext()).sample(n, seeded(seed))
    if not world:
        people = attrs.evolve(people, camera=attrs.evolve(people.camera, rotation=None, position=None))
    return people


def scenes_of(people=None, **settings):
    """Return the source of scenes with these people."""
    people = some_people() if people is None else people
    table = people if not hasattr(people, "joints_2d") else PoseTable(people, {"action": tuple("x" * 30)})
    return VirtualScenes(VirtualScenes.Config(**settings), BuildContext(reference=table))


def in_world(batch):
    """Return the joints [N, J, 3] of scenes in their world."""
    return batch.camera.camera_to_world(batch.joints_3d)


def distances(batch, size):
    """Return how far roots are apart on the ground, [S, pairs] metres, of scenes that all have ``size`` people."""
    ground = in_world(batch)[:, ROOT, [0, 2]].view(-1, size, 2)
    first, second = torch.triu_indices(size, size, 1)
    return torch.linalg.vector_norm(ground[:, first] - ground[:, second], dim=-1)


class NotWaiting(TorchDispatchMode):
    """Refuses what makes the host wait for a device: reading numbers, and shapes that depend on them."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name().partition("::")[2]
        by_mask = name.startswith("index") and any(
            index is not None and index.dtype in (torch.bool, torch.uint8)
            for index in (args[1] if isinstance(args[1], list | tuple) else ())
        )
        waits = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "equal")
        assert not by_mask, name
        assert name not in waits, name
        return func(*args, **(kwargs or {}))
