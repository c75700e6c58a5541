"""People of scenes go through every augmentor, reweighter, discriminator, objective and plain lifter that is installed.

Each is trained for two steps in a run whose source and reference give whole scenes, some of them empty, beside the
other parts that it needs; the kit's promise "scenes" says the same of each by itself.
"""

import math

import attrs
import pytest
import torch

from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug.core.models.inputs import standard_inputs
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Training
from poseplug.core.training.trainer import Trainer
from poseplug.registry.config.resolve import find_part, knowing
from poseplug.registry.conformance.poses import LABELS, people_in_scenes, pictured
from poseplug.registry.discovery.catalogue import load_catalogue

CATALOGUE = load_catalogue()
CPU = torch.device("cpu")
# What a part is run beside, where it is not of that kind itself.
BESIDE = {"lifter": {"name": "mlp", "channels": 8, "blocks": 1}, "objective": {"name": "supervised"}}
SMALL = {"mlp": BESIDE["lifter"], "cascade": {"name": "cascade", "part": "mlp:channels=8,blocks=1", "parts": 2}}
PARTS = [
    (kind, entry.name)
    for kind in ("augmentor", "reweighter", "discriminator", "objective", "lifter")
    for entry in CATALOGUE.of(kind)
    # Those that need no key points are made for scenes.
    if kind != "lifter" or entry.load().normalisation is not None
]


class Scenes(PoseTable):
    """People in scenes of none, two or three, with images; notes what was drawn."""

    def __init__(self, seed):
        super().__init__(pictured(people_in_scenes((2, 0, 3) * 8, H36M_16, CPU, seed), (8, 8)), dict(LABELS))
        self.drawn = []

    def sample(self, n, generator):
        self.drawn.append(super().sample(n, generator))
        return self.drawn[-1]


def built(kind, table, context):
    part = find_part(CATALOGUE, kind, table)
    return part.component(part.config, context)


def assembly_with(kind, name):
    source, reference = Scenes(1), Scenes(2)
    context = knowing(BuildContext(skeleton=H36M_16, reference=reference), CATALOGUE)

    def made(of):
        return built(of, SMALL.get(name, {"name": name}) if of == kind else BESIDE[of], context)

    lifter, objective, parts = made("lifter"), made("objective"), {}
    if kind == "augmentor":
        parts["augmentors"] = (made(kind),)
    if kind == "reweighter":
        parts["reweighter"] = made(kind)
    judge = objective.default_discriminator or "kcs_full"
    if kind == "discriminator" or objective.needs_discriminator:
        judge = name if kind == "discriminator" else judge
        parts["discriminators"] = {judge: built("discriminator", {"name": judge}, context)}
    if kind == "discriminator":
        parts["augmentors"] = (built("augmentor", {"name": "poseaug", "rigid": False}, context),)
    head = objective.output_head(lifter, H36M_16)
    model = LiftingModel(lifter, H36M_16, head=head, inputs=standard_inputs())
    return Assembly(source, objective, model, reference=reference, **parts)


@pytest.mark.parametrize(("kind", "name"), PARTS, ids=[f"{kind}-{name}" for kind, name in PARTS])
def test_it_is_trained_on_people_of_scenes(kind, name):
    torch.manual_seed(0)
    assembly = assembly_with(kind, name)
    trainer = Trainer(assembly, Training(steps=2, batch_size=12, log_every=1), CPU)
    trainer.run()
    losses = [value for series in trainer.history.values.values() for value in series.values()]
    assert losses
    assert all(map(math.isfinite, losses))
    drawn = assembly.source.drawn[-1]
    assert drawn.num_scenes == 12
    assert drawn.people_per_scene.max() > 1  # scenes were drawn, and not people


@pytest.mark.parametrize("settings", [{}, {"rigid": False}, {"cameras": "new"}, {"rigid": False, "cameras": "new"}])
def test_learned_augmentation_keeps_scenes_while_people_stay_before_their_cameras(settings):
    context = knowing(BuildContext(skeleton=H36M_16), CATALOGUE)
    augmentor = built("augmentor", {"name": "poseaug", **settings}, context)
    batch = Scenes(1).sample(12, torch.Generator().manual_seed(0))
    made = augmentor.augment(batch, torch.Generator().manual_seed(1))
    final = made.batch
    if settings == {"rigid": False}:
        assert final.num_scenes == 12
        assert final.scenes.image is None
        for field in attrs.fields(type(final.camera)):
            own, shared = getattr(final.camera, field.name), getattr(final.scenes.camera, field.name)
            assert torch.equal(own, shared[final.scene])
    else:
        assert final.scenes is None
    assert all(stage.scenes is not None for name, stage in made.stages.items() if name != "final")
