"""Parts that see whole scenes: made of numbers of each scene, which a trained input may give instead."""

from __future__ import annotations

import attrs
import torch
from torch import nn
from toys import STAR, star_batch

from poseplug.core.data.found import Found
from poseplug.core.data.scenes import Scenes
from poseplug.core.interfaces import InputProvider, Lifter, PoseSource, RootEstimator, Trained

PEOPLE = 2
FEATURES = 4


def pairs(scenes, generator):
    """Scenes of two people each, one camera for all."""
    people = star_batch(PEOPLE * scenes, generator)
    places = Scenes(people.camera.select(slice(scenes)), most=PEOPLE)
    return attrs.evolve(people, scene=torch.arange(scenes).repeat_interleave(PEOPLE), scenes=places)


class Pairs(PoseSource):
    """Endless scenes of two people."""

    skeleton = STAR

    def __init__(self, config=None, context=None):
        pass

    def sample(self, n, generator):
        return pairs(n, generator)


class FlatPairs(Pairs):
    """The same, 2D only."""

    has_3d = False

    def sample(self, n, generator):
        return attrs.evolve(pairs(n, generator), joints_3d=None)


def means(batch):
    """The mean key points [S, 2] of each scene, in thousands of pixels, from the middle."""
    sums = torch.zeros(batch.num_scenes, 2).index_add(0, batch.scene_rows, batch.joints_2d.mean(1) / 1000 - 0.5)
    return sums / PEOPLE


class Drawn(InputProvider):
    """Maps [S, 4] that follow from key points, with noise where it may draw some."""

    provides = "maps"
    needs = frozenset({"joints_3d"})
    per_scene = True
    made = 0

    def provide(self, batch, **inputs):
        self.made += 1
        maps = means(batch).repeat(1, FEATURES // 2)
        return maps if self.generator is None else maps + torch.rand(maps.shape, generator=self.generator)


class Backbone(InputProvider, Trained):
    """The same by a layer, with batch normalisation before it, that is trained."""

    provides = "maps"
    per_scene = True

    def __init__(self, config=None, context=None):
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.layer = nn.Linear(2, FEATURES)
        self.begun = []
        self.made = 0

    def provide(self, batch, **inputs):
        self.made += 1
        return self.layer(self.norm(means(batch)))

    def begin_phase(self, groups):
        self.begun.append(groups)


class Learning(Backbone):
    """A backbone with a loss of its own."""

    def loss(self, value, batch, **inputs):
        return {"pull": (value - 0.3).square().mean()}

    def logs(self):
        return {"weight": self.layer.weight.detach().sum()}


class MapLifter(Lifter):
    """Lifts everybody in a scene alike, from its maps."""

    normalisation = None
    reads = frozenset({"maps", "scene"})

    def __init__(self, config=None, context=None):
        super().__init__()
        self.layer = nn.Linear(FEATURES, 3 * STAR.num_joints)

    def forward(self, joints_2d, *, maps, scene, **inputs):
        assert joints_2d is None
        return self.layer(maps)[scene].unflatten(1, (STAR.num_joints, 3))


class AroundRoots(MapLifter):
    """The same about the roots that it is given; it shall say where the true ones are."""

    reads = frozenset({"maps", "scene", "roots"})
    refines_root = True
    told = ()

    def forward(self, joints_2d, *, roots, **inputs):
        self.told = (*self.told, roots)
        return super().forward(joints_2d, **inputs)


class MapFinder(RootEstimator):
    """Finds two people in each scene, from its maps; their score is 1 and 0.5."""

    reads = frozenset({"maps"})
    finds = True
    training_radius = 1.0

    def __init__(self, config=None, context=None):
        super().__init__()
        self.layer = nn.Linear(FEATURES, 3 * PEOPLE)
        nn.init.constant_(self.layer.bias, 5.0)

    def forward(self, *, maps):
        scenes = len(maps)
        roots = self.layer(maps).unflatten(1, (PEOPLE, 3)) * torch.tensor([0.1, 0.1, 1.0])
        scene = torch.arange(scenes).repeat_interleave(PEOPLE)
        return Found(scene, roots.flatten(0, 1), torch.tensor([1.0, 0.5]).repeat(scenes), most=PEOPLE)

    def loss(self, roots, batch, **inputs):
        return {"distance": (roots.root - batch.root).square().mean()}
