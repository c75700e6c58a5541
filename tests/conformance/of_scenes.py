"""Components about scenes that keep every promise, and some that break one."""

import attrs
import torch
from conformance.keepers import Shrinking, SizeDiscriminator, SizeReweighter, size
from torch import nn

from poseplug.core.data.found import Found
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import Augmentation, FiniteSource, InputProvider, Lifter, RootEstimator
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.conformance.poses import LABELS, people_in_scenes, pictured

SIZES = (2, 0, 3, 1) * 4


class Crowds(FiniteSource):
    """Scenes of none to three people."""

    skeleton, label_names = H36M_16, LABELS

    def __init__(self, config, context):
        self.table = PoseTable(people_in_scenes(SIZES, H36M_16, context.device, seed=41))

    def sample(self, n, generator):
        return self.table.sample(n, generator)

    def __len__(self):
        return len(self.table)

    def batches(self, size):
        return self.table.batches(size)


class Photographs(Crowds):
    """The same with images."""

    has_images = True

    def __init__(self, config, context):
        super().__init__(config, context)
        self.table = PoseTable(pictured(self.table.poses, (16, 16)))


class Company(InputProvider):
    """How bright it is in each scene, and how many people there are."""

    needs = frozenset({"image"})
    per_scene = True

    def provide(self, batch, **inputs):
        return {"bright": batch.places.image.float().mean((1, 2, 3)), "people": batch.people_per_scene}


class Searcher(RootEstimator):
    """Finds people in the same four places of each scene."""

    reads = frozenset({"scenes"})
    finds = True

    def __init__(self, config, context):
        super().__init__()
        self.places = nn.Parameter(torch.linspace(-1, 4, 12, device=context.device).view(4, 3))
        self.sure = nn.Parameter(torch.zeros(4, device=context.device))

    def forward(self, *, scenes):
        count = len(scenes)
        scene = torch.arange(count, device=self.places.device).repeat_interleave(4)
        return Found(scene, self.places.repeat(count, 1), self.sure.sigmoid().repeat(count), most=4)

    def loss(self, roots, batch, **inputs):
        return {"spread": roots.root.square().mean(), "sure": roots.score.mean()}


class Statue(Lifter):
    """Says that everybody has one shape, as large as their image is wide; reads no key points."""

    normalisation = None
    reads = frozenset({"scene", "scenes", "roots"})
    refines_root = True

    def __init__(self, config, context):
        super().__init__()
        self.shape = nn.Parameter(torch.linspace(-1, 1, 3 * context.layout.num_joints).view(-1, 3))

    def forward(self, joints_2d, *, scene, scenes, roots):
        assert joints_2d is None
        width = scenes.camera.size[scene, 0] / 1000
        return self.shape * width[:, None, None] + 0.1 * roots[:, None]


KEEPERS = [
    *(("source", Crowds), ("source", Photographs), ("input", Company), ("root", Searcher), ("lifter", Statue)),
]


class OwnCameras(Crowds):
    """Gives people cameras that are not their scene's."""

    def sample(self, n, generator):
        batch = super().sample(n, generator)
        return attrs.evolve(batch, camera=attrs.evolve(batch.camera, centre=batch.camera.centre + batch.scene[:, None]))


class TooFull(Crowds):
    """Says that scenes have fewer people than they have."""

    def sample(self, n, generator):
        batch = super().sample(n, generator)
        return attrs.evolve(batch, scenes=attrs.evolve(batch.scenes, most=1))


class OneByOne(Crowds):
    """Draws as many people as scenes were asked for."""

    def sample(self, n, generator):
        batch = super().sample(n, generator)
        return batch.select_scenes(torch.arange(n // 2, device=batch.device))


class Tears(Crowds):
    """Goes through its people, so that a scene may come in two parts, and one without anybody in none."""

    def batches(self, size):
        people = self.table.poses
        for start in range(0, len(people), size):
            some = people.select(slice(start, start + size))
            yield some.select_scenes(torch.unique(some.scene))


class Denies(Photographs):
    """Has images and says that it has none."""

    has_images = False


class RowsOfPeople(Company):
    """Has a row for each person, and says otherwise."""

    def provide(self, batch, **inputs):
        return super().provide(batch, **inputs)["bright"][batch.scene_rows]


class OverSure(Searcher):
    """Is surer than sure."""

    def forward(self, **inputs):
        found = super().forward(**inputs)
        return attrs.evolve(found, score=found.score + 1)


class EverywhereElse(Searcher):
    """Finds people in the first scene only."""

    def forward(self, **inputs):
        found = super().forward(**inputs)
        return attrs.evolve(found, scene=torch.zeros_like(found.scene))


class NobodyThere(Searcher):
    """Says where nobody is by what is no number."""

    def forward(self, **inputs):
        found = super().forward(**inputs)
        return attrs.evolve(found, root=found.root.masked_fill(found.root[:, :1] < 0, torch.nan))


class Wordless(Searcher):
    """Says that whom it finds has key points."""

    finds_joints_2d = True


class TurnsPeople(Shrinking):
    """Gives everybody a camera of their own, and leaves them in their scenes."""

    def augment(self, batch, generator):
        made = super().augment(batch, generator).batch
        shift = torch.rand(len(made), 1, generator=generator, device=generator.device)
        return Augmentation(attrs.evolve(made, camera=attrs.evolve(made.camera, centre=made.camera.centre + shift)))


class KeepsImages(Shrinking):
    """Changes people, and not the images of them."""

    def augment(self, batch, generator):
        return Augmentation(attrs.evolve(super().augment(batch, generator).batch, scenes=batch.scenes))


class WeighsCompany(SizeReweighter):
    """Weighs people by how many stand with them."""

    def weigh(self, training, reference):
        return {"reference": size(reference) * reference.people_per_scene[reference.scene_rows]}


class JudgesCompany(SizeDiscriminator):
    """Judges people by how many stand with them."""

    def forward(self, batch):
        return super().forward(batch) * batch.people_per_scene[batch.scene_rows][:, None]


BREAKERS = {
    "works": [
        *(("source", OwnCameras), ("source", TooFull), ("source", OneByOne), ("source", Denies)),
        *(("root", OverSure), ("root", EverywhereElse), ("root", NobodyThere), ("root", Wordless)),
    ],
    "order": [("source", Tears)],
    "scenes": [
        *(("input", RowsOfPeople), ("augmentor", TurnsPeople), ("augmentor", KeepsImages)),
        *(("reweighter", WeighsCompany), ("discriminator", JudgesCompany)),
    ],
}
