"""What each part sees and learns in a step."""

import math

import pytest
import torch
from small_runs import CPU, assemble, train, weights
from toys import CriticObjective, LinearLifter, MeanRoot, ScalingAugmentor, SizeDiscriminator

from poseplug.core.hooks import HookSet, RunHook
from poseplug.core.training.schedule import Training
from poseplug.core.training.trainer import Trainer


def test_a_trained_augmentor_learns_and_leaves_the_lifter_alone():
    assembly = assemble(augmentors=(ScalingAugmentor(),), discriminators={"size": SizeDiscriminator()})
    trainer = Trainer(assembly, Training(steps=3, batch_size=16), CPU)
    lifter = assembly.model.lifter
    seen = []
    real_update = trainer._roles["augmentor0"].update

    def update(losses, phase):
        seen.append((weights(assembly)["model.lifter.norm.running_mean"], lifter.training, losses))
        real_update(losses, phase)

    trainer._roles["augmentor0"].update = update
    batches = lifter.norm.num_batches_tracked
    trainer.run()
    assert int(batches) == 3  # one forward pass a step counts: the lifter's own
    assert not any(training for _, training, _ in seen)
    assert {"feedback", "size"} <= seen[0][2].keys()
    assert assembly.augmentors[0].log_scale != 0
    assert {"augmentor0/feedback", "augmentor0/size", "discriminator/size"} <= trainer.history.values.keys()


def test_an_untrained_augmentation_reaches_the_lifter():
    class Shift(ScalingAugmentor):
        def __init__(self):
            torch.nn.Module.__init__(self)
            self.log_scale = torch.tensor(math.log(2.0))

    plain, doubled = assemble(), assemble(augmentors=(Shift(),))
    losses = [train(a, steps=1, log_every=1).history.values["supervised"][1] for a in (plain, doubled)]
    assert losses[1] > 1.2 * losses[0]


def test_an_objective_can_play_against_discriminators_at_their_own_pace():
    discriminator = SizeDiscriminator()
    discriminator.update_every = 2
    assembly = assemble(objective=CriticObjective(), discriminators={"size": discriminator})
    start = weights(assembly)
    train(assembly, steps=1)
    after = weights(assembly)
    assert not torch.equal(start["discriminator0.linear.weight"], after["discriminator0.linear.weight"])
    # Six steps: the lifter asks six times; the discriminator itself learns in three, from real and from fake poses.
    discriminator.batches = 0
    train(assembly, steps=6)
    assert discriminator.batches == 6 + 2 * 3


def test_discriminators_learn_from_the_fakes_of_objective_and_augmentor_alike():
    class Counting(SizeDiscriminator):
        seen = ()

        def loss(self, real, fake, generator):
            self.seen = (*self.seen, (len(real), len(fake)))
            return super().loss(real, fake, generator)

    for augmentors, fakes in (((), 16), ((ScalingAugmentor(),), 32)):
        critic = Counting()
        parts = assemble(objective=CriticObjective(), augmentors=augmentors, discriminators={"critic": critic})
        Trainer(parts, Training(steps=2, batch_size=16), CPU).run()
        assert critic.seen == ((16, fakes), (16, fakes))


def test_the_fakes_of_every_call_are_kept_for_the_discriminators():
    class Twice(CriticObjective):
        def loss(self, step):
            first = super().loss(step)
            return {**first, **{f"again/{name}": loss for name, loss in super().loss(step).items()}}

    critic = SizeDiscriminator()
    seen = []
    critic.loss, plain = (
        lambda real, fake, generator: seen.append(len(fake)) or plain(real, fake, generator),
        critic.loss,
    )
    Trainer(assemble(objective=Twice(), discriminators={"c": critic}), Training(steps=1, batch_size=16), CPU).run()
    assert seen == [32]


def test_roots_are_found_once_a_step_for_all_who_read_them():
    class Reading(LinearLifter):
        reads = frozenset({"roots"})

        def forward(self, joints_2d, *, roots):
            assert not roots.requires_grad
            return super().forward(joints_2d) + roots[:, None] * 0

    class Counting(MeanRoot):
        calls = 0

        def forward(self, **inputs):
            self.calls += 1
            return super().forward(**inputs)

    assembly = assemble(lifter=Reading, root=Counting())
    train(assembly, steps=6)
    assert assembly.model.root.calls == 6


def test_a_root_estimator_is_trained_on_absolute_roots():
    assembly = assemble(root=MeanRoot())
    trainer = train(assembly, steps=400, lr=0.05, lr_schedule="cosine")
    torch.testing.assert_close(assembly.model.root.where, torch.tensor([0.0, 0.0, 5.0]), atol=0.05, rtol=0)
    assert trainer.history.values["root/distance"][400] < 0.4


def test_what_lifter_and_root_estimator_tell_of_a_step_is_in_the_history():
    class Telling(LinearLifter):
        def forward(self, joints_2d, **inputs):
            joints = super().forward(joints_2d)
            self.size = joints.square().mean()
            return joints

        def logs(self):
            return {"size": self.size}

    class TellingRoot(MeanRoot):
        update_every = 2

        def logs(self):
            return {"depth": self.where[2].clone()}

    told = []

    class Note(RunHook):
        def on_step(self, step, losses):
            told.append((losses["lifter/size"].requires_grad, "root/depth" in losses))

    assembly = assemble(lifter=Telling, root=TellingRoot())
    trainer = Trainer(assembly, Training(steps=2, batch_size=16, log_every=1), CPU, hooks=HookSet({"note": Note()}))
    trainer.run()
    history = trainer.history.values
    assert told == [(False, True), (False, False)]
    assert history.keys() == {"supervised", "lifter/size", "root/distance", "root/depth"}
    assert history["lifter/size"][2] == assembly.model.lifter.size.item()
    assert history["root/depth"] == {1: pytest.approx(4.001)}  # after the update
