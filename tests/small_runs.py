"""Short runs of the engine with the parts of ``toys``."""

import math

import pytest
import torch
from toys import (
    CONTEXT,
    STAR,
    HalfReweighter,
    LinearConfig,
    LinearLifter,
    MeanRoot,
    ScalingAugmentor,
    SizeDiscriminator,
    StarSource,
)

from poseplug.core.errors import Interrupted
from poseplug.core.hooks import HookSet, RunHook
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Training
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.trainer import Trainer

CPU = torch.device("cpu")


def assemble(*, lifter=LinearLifter, seed=0, root=None, **parts):
    torch.manual_seed(seed)
    model = LiftingModel(lifter(LinearConfig(dropout=0.1), CONTEXT), STAR, root)
    return Assembly(**{"source": StarSource(), "objective": Supervised(), **parts}, model=model)


def train(assembly, checkpoint=None, load=False, phases=(), **settings):
    settings = {"steps": 12, "batch_size": 16, "log_every": 4, "checkpoint_every": 4, **settings}
    trainer = Trainer(assembly, Training(**settings), CPU, checkpoint, phases=phases)
    if load:
        trainer.load()
    trainer.run()
    return trainer


def weights(assembly):
    return {k: v.clone() for k, v in assembly.modules().state_dict().items()}


def everything(seed=0):
    """An assembly with every kind of part."""
    torch.manual_seed(seed + 100)
    return assemble(
        seed=seed,
        root=MeanRoot(),
        reference=StarSource(),
        reweighter=HalfReweighter(),
        augmentors=(ScalingAugmentor(),),
        discriminators={"size": SizeDiscriminator()},
    )


class StopAt(RunHook):
    def __init__(self, trainer, step):
        self.trainer, self.step = trainer, step

    def on_step(self, step, losses):
        self.trainer.stop_requested = step == self.step

    def on_log(self, step, means):
        assert all(math.isfinite(value) for value in means.values())


def train_until(step, assembly, training, checkpoint, phases=()):
    """Begin a run that is stopped at a step."""
    trainer = Trainer(assembly, training, CPU, checkpoint, phases=phases)
    trainer.hooks = HookSet({"stop": StopAt(trainer, step)})
    with pytest.raises(Interrupted, match=f"step {step} of {training.steps}; --resume"):
        trainer.run()
