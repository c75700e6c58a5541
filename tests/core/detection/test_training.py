"""The training of detectors: it learns, goes through its stages, and resumes as if it had never stopped."""

import math

import attrs
import pytest
import torch
from conformance.detectors import SpotConfig, Spots
from labelled_images import write_labelled

from poseplug.core.detection.augmentation import CropChanges
from poseplug.core.detection.crops import CropMaps
from poseplug.core.detection.labels import read_labels
from poseplug.core.detection.measuring import measure
from poseplug.core.detection.training import DetectorTrainer, DetectorTraining
from poseplug.core.errors import Interrupted, PoseplugError, TrainingFailed
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext

PLAIN = CropChanges(flip=0.0, scale=0.0, rotated=0.0)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    write_labelled(folder, 6, size=(24, 24))
    return read_labels(folder / "people.json", folder)


def trainer(people, changes=PLAIN, **settings):
    torch.manual_seed(0)
    detector = Spots(SpotConfig(), BuildContext(skeleton=people.skeleton))
    return DetectorTrainer(detector, people, DetectorTraining(**{"batch_size": 4, "lr": 0.03, **settings}), changes)


def test_it_learns(people):
    training = trainer(people, steps=150, lr=0.1)
    before = measure(training.detector, people).error.mean()
    training.run()
    assert measure(training.detector, people).error.mean() < 0.85 * before


def test_stages_come_one_after_the_other_with_fresh_optimisers(people):
    training, seen = trainer(people, steps=6, log_every=1), []
    training.told = lambda step, losses: seen.append((step, *losses))
    first = training.optimiser
    training.run()
    assert seen == [*((step, "distance") for step in (1, 2, 3)), *((step, "square") for step in (4, 5, 6))]
    assert training.optimiser is not first
    assert {state["step"].item() for state in training.optimiser.state.values()} == {3}


@pytest.mark.parametrize("stop", [2, 3, 5])
def test_a_resumed_training_ends_as_if_it_had_never_stopped(people, tmp_path, stop):
    whole = trainer(people, CropChanges(), steps=6)
    whole.run()
    first = trainer(people, CropChanges(), steps=6, log_every=1)
    first.checkpoint = tmp_path / "state.safetensors"

    def told(step, losses):
        first.stop_requested = step == stop

    first.told = told
    with pytest.raises(Interrupted, match=f"Stopped after step {stop}; .*--resume"):
        first.run()
    second = trainer(people, CropChanges(), steps=6)
    second.checkpoint = first.checkpoint
    second.load()
    assert second.step == stop
    second.run()
    for one, other in zip(whole.detector.parameters(), second.detector.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_checkpoint_of_another_training_is_refused(people, tmp_path):
    first = trainer(people, steps=6)
    first.checkpoint = tmp_path / "state.safetensors"
    first.save()
    longer = trainer(people, steps=7)
    longer.checkpoint = first.checkpoint
    with pytest.raises(PoseplugError, match="was to have 6 steps; give --steps 6"):
        longer.load()
    longer.checkpoint = tmp_path / "none.safetensors"
    with pytest.raises(PoseplugError, match="There is no file"):
        longer.load()


def test_batches_follow_from_seed_and_step(people):
    one, other = (trainer(people, CropChanges(), seed=seed) for seed in (0, 1))
    draws = [t.batch(torch.Generator().manual_seed(s)) for t, s in ((one, 5), (other, 5), (one, 6))]
    assert all(torch.equal(a, b) for a, b in zip(draws[0], draws[1], strict=True))
    assert not torch.equal(draws[0][1], draws[2][1])


def test_joints_of_a_batch_are_where_its_images_show_them(people):
    """Spots are of colours of their own: a mirrored crop has left ones where right ones were."""
    mirrored = trainer(people, CropChanges(flip=1.0, scale=0.0, rotated=0.0))
    rows = torch.randint(6, (4,), generator=torch.Generator().manual_seed(2))
    _, joints, visible = mirrored.batch(torch.Generator().manual_seed(2))
    own = people.joints[rows][:, list(people.skeleton.flip_index)]
    torch.testing.assert_close(joints[..., 0], 23 - own[..., 0])
    torch.testing.assert_close(joints[..., 1], own[..., 1])
    assert visible.all()


def test_joints_outside_of_the_crop_train_nothing(people):
    near = attrs.evolve(people, box=torch.tensor([[6.0, 6.0, 12.0, 12.0]]).expand(6, 4))
    _, joints, visible = trainer(near).batch(torch.Generator().manual_seed(0))
    inside = ((joints >= -0.5) & (joints <= 23.5)).all(-1)
    assert torch.equal(visible, inside.float())
    assert 0 < visible.mean() < 1


def test_a_loss_that_is_no_number_ends_it(people):
    training = trainer(people, steps=5, log_every=1)
    with torch.no_grad():
        training.detector.near.fill_(math.nan)
    with pytest.raises(TrainingFailed, match="'distance' became nan before step 1"):
        training.run()


def test_another_layout_is_refused(people):
    detector = Spots(SpotConfig(), BuildContext(skeleton=H36M_16))
    with pytest.raises(PoseplugError, match="'h36m16', and the labels are 'coco17'"):
        DetectorTrainer(detector, people, DetectorTraining())
    with pytest.raises(PoseplugError, match="'h36m16', the labels are 'coco17'"):
        measure(detector, people)


def test_errors_are_in_pixels_of_the_image_and_pck_in_sides_of_the_box(people):
    """A detector that is always three pixels of the crop too far right; an image pixel is half of the crop's."""

    class Off(Spots):
        def forward(self, images):
            maps = CropMaps.of_boxes(box, self.crop)
            return maps.to_crop(marked.joints) + torch.tensor([3.0, 0.0]), torch.ones(6, 17)

    box = torch.tensor([[0.0, 0.0, 48.0, 48.0]]).expand(6, 4)
    marked = attrs.evolve(people, box=box, visible=people.visible & (torch.arange(17) > 0))
    found = measure(Off(SpotConfig(), BuildContext(skeleton=people.skeleton)), marked)
    summary = found.summary(people.skeleton.joints, shares=(0.12, 0.13))
    assert summary["error_px"] == pytest.approx(6, abs=1e-4)
    assert (summary["pck_0.12"], summary["pck_0.13"]) == (0, 100)  # 6 / 48 = 0.125
    assert (summary["people"], summary["joints"]) == (6, 96)
    assert "Nose" not in summary["error_px_by_joint"]
