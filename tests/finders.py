"""Toys that search scenes for people: what they find is told to them."""

from __future__ import annotations

import attrs
import torch
from torch import nn
from toys import CONTEXT, STAR, star_batch

from poseplug.core.data.found import Found
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.geometry.camera import Camera
from poseplug.core.interfaces import FiniteSource, InputProvider, Lifter, PoseSource, RootEstimator
from poseplug.core.settings import setting


def camera(n):
    return Camera.shared(n, (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0))


def scene_batch(roots, scene, scenes, labels=None):
    """People of one shape with their roots at given places [N, 3], in scenes that may be empty."""
    roots, rows = torch.as_tensor(roots, dtype=torch.float32).reshape(-1, 3), torch.as_tensor(scene, dtype=torch.int64)
    joints = SHAPE + roots[:, None]
    batch = PoseBatch.seen(STAR, joints, camera(len(roots)), scene=rows, labels=labels)
    most = int(rows.bincount(minlength=1).max())
    return attrs.evolve(batch, scenes=Scenes(camera(scenes), most=most))


# The root, third of five joints, in the origin.
SHAPE = torch.tensor([[0.0, -0.6, 0.0], [0.1, -0.3, 0.1], [0.0, 0.0, 0.0], [0.2, 0.4, 0.0], [-0.2, 0.4, 0.0]])


class Told(RootEstimator):
    """Finds, in each scene that it is shown, people at roots and with scores that it was told [S, K]."""

    reads = frozenset({"scenes"})
    finds = True

    def __init__(self, roots, score):
        nn.Module.__init__(self)
        self.register_buffer("roots", torch.as_tensor(roots, dtype=torch.float32))
        self.register_buffer("score", torch.as_tensor(score, dtype=torch.float32))
        self.at = 0

    def forward(self, *, scenes):
        rows = torch.arange(self.at, self.at + len(scenes)) % len(self.roots)
        self.at += len(scenes)
        most = self.roots.shape[1]
        scene = torch.arange(len(scenes)).repeat_interleave(most)
        return Found(scene, self.roots[rows].reshape(-1, 3), self.score[rows].flatten(), most=most)

    def loss(self, roots, batch, **inputs):
        return {}


class Shape(Lifter):
    """Says that everybody has one shape, moved from the given root by an offset."""

    normalisation = None
    reads = frozenset({"roots"})
    refines_root = True

    def __init__(self, offset=(0.0, 0.0, 0.0)):
        super().__init__()
        self.register_buffer("offset", torch.tensor(offset))

    def forward(self, joints_2d, *, roots):
        assert joints_2d is None
        return (SHAPE + self.offset).expand(len(roots), 5, 3)


class SceneTable(FiniteSource):
    """Scenes that were made beforehand."""

    skeleton = STAR

    def __init__(self, batch, label_names=None):
        self.batch, self.label_names = batch, label_names or {}

    def __len__(self):
        return self.batch.num_scenes

    def sample(self, n, generator):
        return self.batch.select_scenes(torch.randint(0, len(self), (n,), generator=generator))

    def batches(self, size):
        for start in range(0, len(self), size):
            yield self.batch.select_scenes(torch.arange(start, min(start + size, len(self))))


class Pairs(PoseSource):
    """Endless scenes of two people."""

    skeleton = STAR

    def sample(self, n, generator):
        batch = star_batch(2 * n, generator)
        scene = torch.arange(n).repeat_interleave(2)
        return attrs.evolve(batch, scene=scene, scenes=Scenes(camera(n), most=2))


class ManyPairs(Pairs):
    """The same, with three actions."""

    label_names = {"action": ("walk", "run", "wave")}

    def __init__(self, config=None, context=CONTEXT):
        pass

    def sample(self, n, generator):
        batch = super().sample(n, generator)
        return attrs.evolve(batch, labels={"action": torch.arange(len(batch)) % 3})


@attrs.frozen(kw_only=True)
class BesideConfig:
    score: float = setting(0.5, "mean score", minimum=0)


class Beside(RootEstimator):
    """Finds two people in each scene, a little beside where the boxes of key points say that they are."""

    reads = frozenset({"scenes", "scene", "joints_2d"})
    finds = True

    Config = BesideConfig

    def __init__(self, config=BesideConfig(), context=CONTEXT):
        nn.Module.__init__(self)
        self.score = config.score
        self.depth = nn.Parameter(torch.tensor(4.9))

    def forward(self, *, scenes, scene, joints_2d):
        ray = (joints_2d[:, 2] - scenes.camera.select(scene).centre) / scenes.camera.select(scene).focal
        root = torch.cat([ray, torch.ones_like(ray[:, :1])], 1) * self.depth
        score = self.score * (1 + 0.8 * torch.cos(torch.arange(len(root)) * 1.0))
        return Found(scene, root, score, joints_2d=joints_2d, most=scenes.most)

    def loss(self, roots, batch, **inputs):
        return {"depth": (roots.root[:, 2] - batch.root[:, 2]).abs().mean()}


class Learned(Lifter):
    """One shape for everybody, which is trained, about the root that is given."""

    normalisation = None
    reads = frozenset({"roots"})
    refines_root = True

    def __init__(self, config=None, context=CONTEXT):
        super().__init__()
        self.shape = nn.Parameter(SHAPE.clone())

    def forward(self, joints_2d, *, roots):
        return self.shape.expand(len(roots), 5, 3)


class Brightness(InputProvider):
    """A number of each scene, from its image."""

    provides = "brightness"
    needs = frozenset({"image"})
    per_scene = True
    canvas = (8, 16)

    def provide(self, batch, **inputs):
        return batch.places.image.float().mean((1, 2, 3))
