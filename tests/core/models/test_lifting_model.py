import attrs
import pytest
import torch
from torch import nn
from toys import STAR, LinearLifter, MeanRoot, StarSource

from poseplug.core.data.normalise import Normalisation
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.interfaces import InputProvider, Lifter
from poseplug.core.models.inputs import Inputs, PersonBoxes, standard_inputs
from poseplug.core.models.lifting_model import LiftingModel


@pytest.fixture
def batch():
    return StarSource().sample(6, torch.Generator().manual_seed(0))


class Reading(Lifter):
    """Says what it was given."""

    reads = frozenset({"roots", "camera", "boxes"})

    def __init__(self):
        nn.Module.__init__(self)
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, joints_2d, *, roots, camera, boxes):
        self.given = roots, camera, boxes
        return torch.zeros(len(joints_2d), STAR.num_joints, 3)


def test_a_lifter_gets_the_inputs_that_it_declares(batch):
    lifter = Reading()
    LiftingModel(lifter, STAR, MeanRoot())(batch)
    roots, camera, boxes = lifter.given
    assert torch.equal(roots, torch.tensor([[0.0, 0.0, 4.0]]).expand(6, 3))
    assert camera is batch.camera
    assert torch.equal(boxes, PersonBoxes().provide(batch))


def test_boxes_hold_the_person_with_margins_inside_the_image(batch):
    boxes = PersonBoxes().provide(batch)
    low, high = batch.joints_2d.amin(1), batch.joints_2d.amax(1)
    width, height = (high - low).unbind(-1)
    expected = torch.stack(
        [low[:, 0] - 0.25 * width, low[:, 1] - 0.12 * height, high[:, 0] + 0.25 * width, high[:, 1] + 0.12 * height], 1
    )
    torch.testing.assert_close(boxes, expected.clamp(0, 1000))


def test_unknown_inputs_are_refused(batch):
    with pytest.raises(PoseplugError, match="Nothing here provides the input 'boxs'. Did you mean 'boxes'"):
        Inputs(standard_inputs()).read(["boxs"], batch)


def test_an_input_is_made_once_a_step_from_those_that_it_is_made_of(batch):
    class Widths(PersonBoxes):
        reads = frozenset({"boxes"})
        made = 0

        def provide(self, batch, *, boxes):
            self.made += 1
            return boxes[:, 2] - boxes[:, 0]

    widths = Widths()
    inputs = Inputs({**standard_inputs(), "widths": widths})
    with inputs.shared():
        first, again = (inputs.read(["widths", "camera"], batch)["widths"] for _ in range(2))
        assert again is first
        assert inputs.read(["widths"], batch.select(slice(3)))["widths"].shape == (3,)
    assert widths.made == 2
    assert inputs.read(["widths"], batch)["widths"] is not first


def test_a_provider_that_is_a_network_is_part_of_the_model(batch):
    class Maps(InputProvider, nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 2))

        def provide(self, batch, **inputs):
            return batch.joints_2d @ self.weight.T

    maps = Maps()
    model = LiftingModel(LinearLifter(), STAR, inputs={**standard_inputs(), "maps": maps})
    stored = model.state_dict()
    assert torch.equal(stored["inputs.networks.maps.weight"], maps.weight)
    with torch.no_grad():
        maps.weight.zero_()
    model.load_state_dict({name: value.clone() + 1 for name, value in stored.items()})
    assert torch.equal(maps.weight, torch.ones(3, 2))


def test_predictions_are_root_relative(batch):
    model = LiftingModel(LinearLifter(), STAR).eval()
    predicted = model.predict(batch)
    torch.testing.assert_close(predicted[:, STAR.root], torch.zeros(6, 3))
    torch.testing.assert_close(predicted, model(batch) - model(batch)[:, STAR.root, None])


class Unprojecting(Lifter):
    """Gives each joint the true direction of its ray: equivariant to mirroring if the mirrored camera is right."""

    reads = frozenset({"camera"})

    def forward(self, joints_2d, *, camera):
        pixels = (joints_2d + 1) * camera.size[:, None] / 2
        return camera.unproject(pixels, torch.full(joints_2d.shape[:2], 5.0))


def test_flip_averaging_changes_nothing_for_a_lifter_that_is_equivariant(batch):
    lens = (-0.2071, 0.2478, -0.0031, -0.001, -0.0014)
    camera = Camera.shared(6, (1145.0, 1144.0), (512.5, 515.0), (1000.0, 1000.0), lens)
    seen = batch.moved(batch.joints_3d, camera=camera)
    model = LiftingModel(Unprojecting(), STAR)
    torch.testing.assert_close(model.predict(seen, flip=True), model.predict(seen), atol=1e-4, rtol=0)


def test_flip_averaging_is_the_mean_of_a_pose_and_its_mirror_image(batch):
    model = LiftingModel(LinearLifter(), STAR).eval()
    order = [STAR.index(name) for name in ("tip", "arm", "base", "right", "left")]
    mirrored = attrs.evolve(
        batch, joints_2d=(batch.joints_2d * torch.tensor([-1.0, 1]) + torch.tensor([1000.0, 0]))[:, order]
    )
    expected = (model.predict(batch) + model.predict(mirrored)[:, order] * torch.tensor([-1.0, 1, 1])) / 2
    torch.testing.assert_close(model.predict(batch, flip=True), expected)


def test_standardised_inputs_are_fitted_before_training():
    from poseplug.core.training.assembly import Assembly
    from poseplug.core.training.schedule import Training
    from poseplug.core.training.supervised import Supervised
    from poseplug.core.training.trainer import Trainer

    class Standardised(LinearLifter):
        normalisation = Normalisation.STANDARDISED

    model = LiftingModel(Standardised(), STAR)
    assembly = Assembly(StarSource(), Supervised(), model)
    Trainer(assembly, Training(steps=1, batch_size=8), torch.device("cpu")).run()
    inputs = model.normaliser(StarSource().sample(20_000, torch.Generator().manual_seed(7)))
    torch.testing.assert_close(inputs.mean(0), torch.zeros(5, 2), atol=0.03, rtol=0)
    torch.testing.assert_close(inputs.std(0), torch.ones(5, 2), atol=0.03, rtol=0)
