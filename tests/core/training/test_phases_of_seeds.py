"""Seeds side by side whose lifters change with the phases of a run: every one is told, once each time."""

import attrs
import pytest
import torch
from toys import STAR, LinearLifter, StarSource, TwoPartLifter, star_batch

from poseplug.core.errors import PoseplugError
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.multi_seed import models_of, side_by_side
from poseplug.core.training.schedule import Phase, Training
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.trainer import Trainer

CPU = torch.device("cpu")
SEEDS = (3, 4, 5)
PHASES = (
    Phase(name="plane", steps=6, trains=("lifter:plane",), lr=0.05, lr_schedule="constant"),
    Phase(name="depth", steps=6, trains=("lifter:depth",), fresh=True),
)


class Fixed(StarSource):
    """Gives the same batches whatever is drawn: ``replicas`` poses in a row are alike."""

    def __init__(self, replicas=1):
        self.replicas = replicas
        self.calls = 0

    def sample(self, n, generator):
        self.calls += 1
        batch = star_batch(n // self.replicas, torch.Generator().manual_seed(self.calls))
        return batch.select(torch.arange(n) // self.replicas)


class Changing(TwoPartLifter):
    """Halves its depth in its first phase; counts its phases in place, and keeps its groups in a new tensor."""

    def __init__(self):
        LinearLifter.__init__(self)
        self.factor = 1.0
        self.register_buffer("phases", torch.zeros(()))
        self.register_buffer("trained", torch.zeros(2))

    def begin_phase(self, groups):
        self.factor = 0.5 if "plane" in groups else 1.0
        self.phases += 1
        self.trained = torch.tensor([float(name in groups) for name in ("plane", "depth")])

    def forward(self, joints_2d, **inputs):
        return super().forward(joints_2d) * torch.tensor([1.0, 1.0, self.factor]) + 0.01 * self.phases


def assembly_of(seed):
    torch.manual_seed(seed)
    return Assembly(Fixed(), Supervised(), LiftingModel(Changing(), STAR))


def trainer_of(assembly, checkpoint=None, steps=18):
    training = Training(steps=steps, batch_size=16, lr=0.03, clip_norm=0.2, log_every=5)
    return Trainer(assembly, training, CPU, checkpoint, phases=PHASES)


@pytest.mark.parametrize("steps", [5, 18])
def test_each_is_what_it_would_be_alone(manner, steps):
    together = side_by_side([assembly_of(seed) for seed in SEEDS])
    trainer_of(attrs.evolve(together, source=Fixed(len(SEEDS))), steps=steps).run()
    seen = star_batch(6, torch.Generator().manual_seed(1))
    for seed, model in zip(SEEDS, models_of(together), strict=True):
        alone = assembly_of(seed)
        trainer_of(alone, steps=steps).run()
        torch.testing.assert_close(model.state_dict(), alone.model.state_dict(), rtol=2e-5, atol=2e-5)
        assert model.lifter.phases == -(-steps // 6)
        torch.testing.assert_close(model.eval().predict(seen), alone.model.eval().predict(seen), rtol=2e-5, atol=2e-5)


def test_a_resumed_stack_is_told_where_it_is(manner, tmp_path):
    def make():
        return attrs.evolve(side_by_side([assembly_of(seed) for seed in SEEDS]), source=StarSource())

    whole = make()
    trainer_of(whole).run()
    begun = trainer_of(make(), tmp_path / "half")
    begun.hooks.call = lambda event, *_: setattr(begun, "stop_requested", begun.step >= 10) or []
    with pytest.raises(PoseplugError, match="Stopped at step 10"):
        begun.run()
    resumed = make()
    trainer = trainer_of(resumed, tmp_path / "half")
    trainer.load()
    trainer.run()
    for one, other in zip(models_of(resumed), models_of(whole), strict=True):
        assert one.lifter.phases == other.lifter.phases + 1  # it was told of the second phase twice
        assert one.lifter.factor == other.lifter.factor
        assert torch.equal(one.lifter.trained, other.lifter.trained)
