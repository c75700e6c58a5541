"""Steps on scenes: who draws what, whose roots people get, what is made how often, and who is counted."""

import pytest
import torch
from scene_parts import AroundRoots, Drawn, MapFinder, MapLifter, Pairs, means, pairs
from small_runs import train, weights
from toys import STAR, MeanRoot, ScalingAugmentor, StarSource

from poseplug.core.interfaces import Augmentation, Augmentor
from poseplug.core.models.inputs import standard_inputs
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Phase
from poseplug.core.training.supervised import Supervised

ONE_STEP = {"steps": 1, "optimiser": "SGD", "lr": 1.0, "lr_schedule": "constant", "clip_norm": 0.0}


def assembly(lifter=MapLifter, root=None, drawn=Drawn, **parts):
    torch.manual_seed(0)
    model = LiftingModel(lifter(), STAR, root and root(), inputs={**standard_inputs(), "drawn": drawn()})
    return Assembly(**{"source": Pairs(), "objective": Supervised(), **parts}, model=model)


def test_people_are_counted_and_told_where_scenes_have_several():
    trainer = train(assembly(reference=Pairs(), reference_weight=1.0), steps=4)
    assert trainer.people == 4 * 2 * 16 * 2
    assert trainer.history.values["people"] == {4: 2.0}
    single = train(assembly(source=StarSource()), steps=4)
    assert single.people == 4 * 16
    assert "people" not in single.history.values


class Watched(Drawn):
    """Notes whether it may draw, and in which mode the model is."""

    def __init__(self):
        super().__init__()
        self.drew = []

    def provide(self, batch, **inputs):
        self.drew.append(self.generator is not None)
        return super().provide(batch, **inputs)


class Asking(Augmentor):
    """Asks the lifter, and leaves people as they are."""

    asks_lifter = True

    def augment(self, batch, generator):
        self.lift(batch)
        return Augmentation(batch)


def test_inputs_are_drawn_for_those_who_learn_and_for_nobody_else():
    parts = assembly(MapLifter, MapFinder, Watched, augmentors=(Asking(), ScalingAugmentor()))
    maps = parts.model.inputs.providers["drawn"]
    train(parts, steps=1)
    # The augmentor asks; lifter and root estimator share what was drawn; the trained augmentor asks by its loss.
    assert maps.drew == [False, True, False]
    assert maps.generator is None
    parts.model.predict(pairs(2, torch.Generator().manual_seed(0)))
    assert maps.drew[3:] == [False]


@pytest.mark.parametrize("passes", ["joint", "separate"])
def test_maps_are_made_once_for_each_batch_of_a_step(passes):
    class Still(Watched):
        def provide(self, batch, **inputs):
            made = super().provide(batch, **inputs)
            return means(batch).repeat(1, 2) if self.generator else made

    def step(way):
        parts = assembly(MapLifter, MapFinder, Still, reference=Pairs(), reference_weight=0.5)
        train(parts, passes=way, **ONE_STEP)
        return weights(parts), len(parts.model.inputs.providers["drawn"].drew)

    after, made = step(passes)
    # Of the training poses, which the root estimator reads, and of all together or of the reference poses.
    assert made == 2
    torch.testing.assert_close(after, step("separate")[0], atol=1e-5, rtol=1e-4)


def test_a_finder_learns_from_whom_it_finds_and_the_lifter_from_the_roots_of_those():
    class Slightly(MapFinder):
        training_radius = 0.6
        unmatched_noise = 0.0

    parts, plain = (assembly(AroundRoots, Slightly, reference=Pairs(), reference_weight=0.5) for _ in range(2))
    train(parts, passes="separate", **ONE_STEP)
    generator = torch.Generator().manual_seed(0)
    batch, reference = pairs(16, generator), pairs(16, generator)
    model, losses = plain.model.train(), []
    with model.inputs.shared(), model.inputs.drawing(generator):
        found = model.estimate(batch)
        for seen, factor in ((batch, 1.0), (reference, 0.5)):
            given = model.inputs.read(["roots", "maps"], seen)
            roots = given["roots"].detach()
            output = model.lifter(None, maps=given["maps"], scene=seen.scene, roots=roots)
            target = seen.joints_3d - roots[:, None]
            losses.append(factor * (output - target).square().mean())
    gradients = torch.autograd.grad(sum(losses), list(model.lifter.parameters()))
    gradients += torch.autograd.grad(model.root.loss(found, batch)["distance"], list(model.root.parameters()))
    before = weights(plain)
    names = [name for name in before if name.startswith(("model.lifter.layer", "model.root.layer"))]
    for name, gradient in zip(names, gradients, strict=True):
        assert gradient.abs().max() > 1e-3
        torch.testing.assert_close(before[name] - weights(parts)[name], gradient, atol=1e-5, rtol=1e-4)
    # Some were found, and some were not.
    found_at = (parts.model.lifter.told[0] != batch.root).any(1)
    assert 0 < found_at.sum() < len(batch)


def test_a_root_estimator_that_a_phase_leaves_alone_is_as_in_evaluation():
    modes = []

    class Noting(MeanRoot):
        def forward(self, **inputs):
            modes.append(self.training)
            return super().forward(**inputs)

    phases = [Phase(name="both", steps=2), Phase(name="lifter", steps=2, trains=("lifter",))]
    train(assembly(AroundRoots, Noting), steps=4, phases=phases)
    assert modes == [True, True, False, False]


class Deserted(Pairs):
    """Nobody is there every other time."""

    def sample(self, n, generator):
        batch = super().sample(n, generator)
        self.calls = getattr(self, "calls", 0) + 1
        return batch if self.calls % 2 else batch.select(slice(0, 0))


def test_scenes_without_anybody_teach_nothing():
    trainer = train(assembly(source=Deserted()), steps=4)
    assert trainer.step == 4
    assert all(torch.isfinite(tensor).all() for tensor in weights(trainer.assembly).values())
    assert trainer.people == 2 * 16 * 2
