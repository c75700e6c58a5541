"""The augmentor ``evolution``: whom it changes, what it remembers, and that it goes into every run."""

from __future__ import annotations

import attrs
import pytest
import torch
from evolving import evolved, people
from small_runs import CPU, train_until
from toys import LinearConfig, LinearLifter

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limb_frames import poses_last
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.data.pose_batch import Origin
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Training
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.trainer import Trainer
from poseplug_evoskeleton.evolution.online import Evolution, EvolutionSettings
from poseplug_evoskeleton.evolution.population import genes_of

STILL = {"turn_rate": 0.0, "floor": False}


def evolution(skeleton: Skeleton = H36M_16, **settings: object) -> Evolution:
    return Evolution(EvolutionSettings(**settings), BuildContext(skeleton=skeleton))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_those_who_are_not_replaced_stay_bit_for_bit():
    batch = people(500).poses
    batch = attrs.evolve(batch, joints_2d=batch.joints_2d + torch.randn(500, 16, 2, generator=generator()))
    made = evolution(share=0.4, selection="none").augment(batch, generator()).batch
    changed = made.origin == Origin.AUGMENTED
    assert 0.33 < float(changed.double().mean()) < 0.47
    for name in ("joints_2d", "joints_3d", "origin"):
        assert torch.equal(getattr(made, name)[~changed], getattr(batch, name)[~changed])
    exact = batch.camera.project(made.absolute)
    assert torch.equal(made.joints_2d[changed], exact[changed])
    assert torch.equal(made.labels["subject"], batch.labels["subject"])


def test_children_have_torso_and_place_of_those_they_replace():
    batch = people(500).poses
    made = evolution(share=1.0, lengths="own", **STILL).augment(batch, generator()).batch
    limb_ends = [bone.end for bone in limbs_of(H36M_16).bones]
    torso = [j for j in range(16) if j not in limb_ends]
    assert torch.equal(made.absolute[:, torso], batch.absolute[:, torso])
    assert not torch.equal(made.absolute, batch.absolute)


def test_the_unfit_are_not_born():
    batch = people(800, scatter=0.4).poses
    part = evolution(share=1.0)
    made = part.augment(batch, generator()).batch
    changed = made.origin == Origin.AUGMENTED
    assert 0.02 < float(changed.double().mean()) < 0.9
    assert JointLimits.default().accepts(made.absolute[changed], H36M_16).double().mean() > 0.999
    assert abs(part.diagnostics()["fit"] - float(changed.double().mean())) < 0.05


def test_whole_batches_where_that_is_asked():
    part, batch = evolution(mixing="batch", selection="none"), people(50).poses
    shares = [
        float((part.augment(batch, generator(seed)).batch.origin == Origin.AUGMENTED).double().mean())
        for seed in range(20)
    ]
    assert set(shares) == {0.0, 1.0}


def test_the_population_holds_the_last_limbs_and_hands_them_on():
    part = evolution(population=150, share=0.0, mutation="none", lengths="exchanged", **STILL)
    for seed, n in enumerate((100, 100)):
        part.augment(people(n, scatter=0.1 + seed / 10).poses, generator(seed))
    assert int(part.added) == 200
    held = part.population.clone()
    part.augment(people(120).poses, generator(5))
    # The ring goes on where it was: places 50 to 149, and 0 to 19.
    assert torch.equal(part.population[20:50], held[20:50])
    assert (part.population[50:] != held[50:]).any(1).all()
    assert (part.population[:20] != held[:20]).any(1).all()
    # Limbs of earlier batches appear in children.
    part = evolution(population=64, share=1.0, mutation="none", selection="none", lengths="own", **STILL)
    earlier, batch = people(64, scatter=0.2).poses, people(65, scatter=0.3).poses
    part.augment(earlier, generator())
    remembered = part.population.clone()
    made = part.augment(batch, generator(1)).batch
    limbs = limbs_of(H36M_16)
    new, own = (genes_of(poses_last(p.absolute), limbs).directions for p in (made, batch))
    known = remembered.T[:27].reshape(3, 9, 64)
    foreign = (new - own).abs().amax(0) > 1e-3
    of_earlier = (new[..., None] - known[:, :, None]).abs().amax(0).amin(-1) < 1e-4
    assert 0.2 < float((foreign & of_earlier).sum() / foreign.sum()) < 0.8


def test_nothing_is_remembered_outside_training():
    part = evolution().eval()
    one, two = (part.augment(people(60).poses, generator()).batch for _ in range(2))
    assert torch.equal(one.absolute, two.absolute)
    assert int(part.added) == 0
    assert part.diagnostics() == {}


def test_more_poses_than_the_population_holds():
    part = evolution(population=16)
    part.augment(people(100).poses, generator())
    assert int(part.added) == 16
    assert part.population.isfinite().all()


def test_equal_state_and_seed_go_on_alike():
    one, other = evolution(), evolution()
    one.augment(people(70).poses, generator())
    other.load_state_dict(one.state_dict())
    made = [part.augment(people(80).poses, generator(2)).batch.absolute for part in (one, other)]
    assert torch.equal(*made)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_gradients_reach_the_poses_it_is_given():
    batch = people(20).poses
    joints = batch.absolute.clone().requires_grad_()
    part = evolution(share=1.0, selection="none")
    made = part.augment(attrs.evolve(batch, joints_3d=joints), generator()).batch
    made.absolute.square().sum().backward()
    assert joints.grad.isfinite().all()
    assert not part.population.requires_grad


@pytest.mark.parametrize("name", ["h36m17", "smpl24", "3dhp28"])
def test_any_skeleton_with_limbs(name):
    batch = people(40, LAYOUTS[name]).poses
    made = evolution(LAYOUTS[name], selection="none", share=1.0).augment(batch, generator()).batch
    assert made.absolute.isfinite().all()
    assert not torch.equal(made.absolute, batch.absolute)


def test_a_skeleton_without_limbs_is_refused():
    star = Skeleton(name="star", joints=("a", "b", "c"), parents=("", "a", "a"))
    with pytest.raises(PoseplugError, match="no limbs"):
        evolution(star)


def test_of_the_fit_the_half_is_born_that_is_lifted_worst():
    batch = people(800, scatter=0.4).poses
    part = evolution(share=1.0, active=True)
    asked = []

    def lift(born):
        """Wrong by more millimetres the further left a person stands."""
        asked.append(born)
        return born.root_relative + born.root[:, None, :1]

    part.lift = lift
    chosen = part.augment(batch, generator()).batch.origin == Origin.AUGMENTED
    fit = evolution(share=1.0).augment(batch, generator()).batch.origin == Origin.AUGMENTED
    assert part.asks_lifter
    assert len(asked) == 1
    assert int(chosen.sum()) == (int(fit.sum()) + 1) // 2
    assert not (chosen & ~fit).any()
    errors = asked[0].root[:, 0].abs()
    assert errors[chosen].min() >= errors[fit & ~chosen].max()


def assembly(seed=0, **settings):
    torch.manual_seed(seed)
    context = BuildContext(skeleton=H36M_16)
    model = LiftingModel(LinearLifter(LinearConfig(), context), H36M_16, None)
    augmentor = evolution(population=100, **settings)
    return Assembly(source=evolved(), objective=Supervised(), model=model, augmentors=(augmentor,))


def test_the_lifter_under_training_is_asked_as_in_evaluation_and_stays_as_it_is():
    trainer = Trainer(assembly(active=True), Training(steps=3, batch_size=64), CPU, None)
    (augmentor,) = trainer.assembly.augmentors
    assert augmentor.lift is not None
    trainer.assembly.model.train()
    batch = people(20).poses
    said = augmentor.lift(batch)
    assert trainer.assembly.model.training
    assert not said.requires_grad
    torch.testing.assert_close(said, trainer.assembly.model.eval().predict(batch))
    trainer.run()
    assert 0 < trainer.assembly.augmentors[0].diagnostics()["fit"] < 0.6


def test_it_is_not_asked_without_need():
    assert Trainer(assembly(), Training(steps=1), CPU, None).assembly.augmentors[0].lift is None


def test_a_resumed_run_is_bit_for_bit_the_same(tmp_path):
    settings = Training(steps=12, batch_size=16, log_every=4, checkpoint_every=4)
    whole = Trainer(assembly(), settings, CPU, None)
    whole.run()
    path = tmp_path / "checkpoint"
    train_until(7, assembly(), settings, path)
    resumed = Trainer(assembly(1), settings, CPU, path)
    resumed.load()
    resumed.run()
    one, other = (t.assembly.modules().state_dict() for t in (whole, resumed))
    assert int(one["augmentor0.added"]) == 12 * 16
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert whole.assembly.diagnostics() == resumed.assembly.diagnostics()
