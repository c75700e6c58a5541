"""Depths in units of the image become poses in metres, with sign and size from a few labelled poses."""

import attrs
import pytest
import torch
from torch import nn
from toys import CONTEXT, STAR, CriticObjective, LinearLifter, ScalingAugmentor, SizeDiscriminator, StarSource

from poseplug.core.data.normalise import Normalisation, extents, max_normalised
from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.interfaces import Lifter, NoConfig
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.sources.projection import orthographic, projected
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Training
from poseplug.core.training.trainer import Trainer
from poseplug_pose2drep.depth_head import DepthHead

CPU = torch.device("cpu")
LEGS = (3, 4)
REST = (0, 1)


@pytest.fixture
def bodies():
    """Poses whose bones have the same summed length, seen by an orthographic camera."""
    drawn = StarSource().sample(64, torch.Generator().manual_seed(0))
    scale = 3 / bone_lengths(drawn.absolute, STAR).sum(-1)
    return orthographic(drawn.moved(drawn.root[:, None] + drawn.root_relative * scale[:, None, None]))


class Oracle(Lifter):
    """Knows the depths, but for a sign; says nonsense of x and y, and of where the root is."""

    normalisation = Normalisation.MAX_NORM

    def output_head(self, skeleton):
        return DepthHead(skeleton, self.group_joints())

    def __init__(self, batch, signs):
        nn.Module.__init__(self)
        depth = signs * batch.root_relative[..., 2] / unit(batch)[:, None]
        self.said = torch.stack([torch.rand_like(depth), torch.rand_like(depth), depth + 5], dim=-1)

    def group_joints(self):
        return {"legs": LEGS, "rest": REST}

    def forward(self, joints_2d, **inputs):
        return self.said


def read_with_labels(lifter):
    """Return the model of a lifter whose objective trains depths and has them read by a few labelled poses."""
    return LiftingModel(lifter, STAR, head=DepthHead(STAR, lifter.group_joints(), 64))


def unit(batch):
    """Return how many metres of each pose count as 1 in its image."""
    return batch.root_relative[..., :2].abs().amax((1, 2))


def test_an_orthographic_view_is_x_and_y_of_the_camera_frame(bodies):
    expected = bodies.root_relative[..., :2] / unit(bodies)[:, None, None]
    torch.testing.assert_close(max_normalised(bodies.joints_2d, STAR.root), expected)
    torch.testing.assert_close(bodies.joints_2d[:, STAR.root], bodies.camera.project(bodies.absolute)[:, STAR.root])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_labelled_poses_tell_sign_and_size_and_the_rest_is_exact(bodies, sign):
    model = read_with_labels(Oracle(bodies, sign))
    found = model.calibrate(bodies)
    assert found["sign"] == sign
    assert found["agreement"] == 1
    assert found["poses"] == 64
    torch.testing.assert_close(model.head.size, torch.tensor(3.0))
    torch.testing.assert_close(found["correlation_legs"], torch.tensor(1.0))
    torch.testing.assert_close(model.predict(bodies), bodies.root_relative, atol=1e-5, rtol=1e-4)


def test_parts_of_another_sign_are_seen(bodies):
    signs = torch.ones(STAR.num_joints)
    signs[list(LEGS)] = -1
    found = read_with_labels(Oracle(bodies, signs)).calibrate(bodies)
    assert found["agreement"] == 0.5
    assert found["correlation_legs"] * found["correlation_rest"] < 0


def test_poses_without_finite_labels_tell_nothing(bodies):
    broken = attrs.evolve(bodies, joints_3d=bodies.absolute.clone())
    broken.joints_3d[1:] = torch.nan
    model = read_with_labels(Oracle(bodies, -1.0))
    assert model.calibrate(broken)["poses"] == 1
    assert model.head.sign == -1
    size = model.head.size.clone()
    broken.joints_3d[:] = torch.nan
    assert model.calibrate(broken)["poses"] == 0
    assert model.head.size == size


def test_with_labels_a_depth_lifter_is_trained_on_metres(bodies):
    model = LiftingModel(Oracle(bodies, 1.0), STAR)
    model.head.fit(bodies)
    torch.testing.assert_close(model(bodies), bodies.root_relative, atol=1e-5, rtol=1e-4)


def test_the_unfitted_body_has_bones_of_human_length():
    head = DepthHead(STAR, {}, labelled_poses=0)
    assert head.size == pytest.approx(0.27 * STAR.num_bones)
    assert head.sign == 1
    assert head.diagnostics() == {"poses": 0, "sign": 1}


def test_an_extent_stays_that_of_the_pose_that_was_turned(bodies):
    held = attrs.evolve(bodies, extent=extents(bodies.joints_2d, STAR.root) * 2)
    normaliser = LiftingModel(Oracle(bodies, 1.0), STAR).normaliser
    torch.testing.assert_close(normaliser(held), normaliser(bodies) / 2)
    assert held.moved(held.absolute).extent is None


def test_training_reports_sign_and_agreement_and_any_lifter_is_read_with_the_image(bodies):
    table = PoseTable(bodies)
    objective = CriticObjective(NoConfig(), CONTEXT)
    lifter = LinearLifter(LinearLifter.Config(), CONTEXT)
    model = LiftingModel(lifter, STAR, head=DepthHead(STAR, {}, labelled_poses=32))
    critic = SizeDiscriminator(NoConfig(), CONTEXT)
    assembly = Assembly(table, objective, model, discriminators={"size": critic})
    trainer = Trainer(assembly, Training(steps=4, batch_size=8, checkpoint_every=2), CPU)
    trainer.run()
    assert set(trainer.history.values["head/agreement"]) == {2, 4}
    assert assembly.diagnostics()["head"]["poses"] == 32
    predicted = model.predict(bodies)
    expected = bodies.root_relative[..., :2] / unit(bodies)[:, None, None]
    torch.testing.assert_close(max_normalised(predicted[..., :2], STAR.root), expected)


def test_augmentors_are_told_errors_in_metres(bodies):
    class Asking(ScalingAugmentor):
        def loss(self, augmentation, feedback):
            self.told = augmentation.batch, feedback.lift(augmentation.batch)
            return super().loss(augmentation, feedback)

    asking = Asking()
    objective = CriticObjective(NoConfig(), CONTEXT)
    lifter = LinearLifter(LinearLifter.Config(), CONTEXT)
    model = LiftingModel(lifter, STAR, head=DepthHead(STAR, {}, labelled_poses=0))
    critic = {"size": SizeDiscriminator(NoConfig(), CONTEXT)}
    assembly = Assembly(PoseTable(bodies), objective, model, augmentors=(asking,), discriminators=critic)
    Trainer(assembly, Training(steps=1, batch_size=8, lr=1e-9), CPU).run()
    _, lifted = asking.told
    sizes = bone_lengths(lifted, STAR).sum(-1)
    torch.testing.assert_close(sizes, torch.full_like(sizes, 0.27 * STAR.num_bones))


def test_a_view_changes_what_a_source_gives_and_keeps_its_end(bodies):
    table = PoseTable(bodies)
    seen = projected(table, "orthographic")
    assert projected(table, "perspective") is table
    assert len(seen) == 64
    torch.testing.assert_close(next(iter(seen.batches(64))).joints_2d, bodies.joints_2d)
    endless = projected(StarSource(), "orthographic")
    drawn = endless.sample(4, torch.Generator().manual_seed(1))
    torch.testing.assert_close(drawn.joints_2d, orthographic(drawn).joints_2d)
