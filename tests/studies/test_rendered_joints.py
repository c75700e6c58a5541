"""The study of rendered joints in tiny: figures are drawn where their joints are, and a detector learns them."""

import sys
from pathlib import Path

import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.detection.augmentation import CropChanges
from poseplug.core.detection.capsules import segment_distance
from poseplug.core.detection.measuring import measure
from poseplug.core.detection.training import DetectorTrainer, DetectorTraining
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug_evoskeleton.hrnet import HRNet, HRNetConfig

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks/studies/evoskeleton"))

from figures import rendered

LEG = Skeleton("leg", ("hip", "knee", "foot"), ("", "hip", "knee"))


def legs(n, seed, side=40):
    generator = torch.Generator().manual_seed(seed)
    joints = torch.randn(n, 3, 3, generator=generator) * 0.2 + torch.tensor([[0, -0.5, 5.0], [0, 0, 5], [0, 0.5, 5]])
    camera = Camera.shared(n, (1000.0, 1000.0), (500.0, 500.0), (1000.0, 1000.0))
    return rendered(PoseBatch.seen(LEG, joints, camera), side, generator)


def test_distances_from_a_segment_are_those_worked_out_by_hand():
    pixels = torch.tensor([[[0.0, 3.0], [5.0, 4.0], [13.0, 4.0]]])
    found = segment_distance(pixels, torch.tensor([[0.0, 0.0]]), torch.tensor([[10.0, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([[[3.0, 4.0, 5.0]]]))


def test_figures_are_drawn_where_their_joints_are_and_repeat():
    people = legs(30, 0, side=80)
    again = legs(30, 0, side=80)
    assert all(torch.equal(a, b) for a, b in zip(people.pictures, again.pictures, strict=True))
    assert torch.equal(people.joints, again.joints)
    inside = (people.joints >= people.box[:, None, :2]) & (
        people.joints <= people.box[:, None, :2] + people.box[:, None, 2:]
    )
    assert inside.all()
    assert (people.box[:, :2] >= -1).all()
    assert (people.box[:, :2] + people.box[:, 2:] <= 81).all()
    # Middles of bones are bright on a dim background.
    middles = ((people.joints[:, 1:] + people.joints[:, :-1]) / 2).round().long()
    bright = torch.stack(
        [image.amax(0)[xy[:, 1], xy[:, 0]] for image, xy in zip(people.pictures, middles, strict=True)]
    )
    dim = torch.stack([image.amax(0).float().mean() for image in people.pictures])
    assert (bright > 1.3 * dim[:, None]).float().mean() > 0.9


def test_a_small_network_learns_to_find_their_joints():
    torch.manual_seed(0)
    config = HRNetConfig(width=4, modules=(1, 1, 1), crop=(32, 32), sigma=4.0, temperature=0.1, super_resolution=False)
    detector = HRNet(config, BuildContext(skeleton=LEG))
    training, test = legs(200, 1), legs(60, 2)
    before = measure(detector, test).error.median()
    changes = CropChanges(flip=0.0, scale=0.05, rotation=0.1)
    DetectorTrainer(detector, training, DetectorTraining(steps=120, batch_size=8, lr=4e-3), changes).run()
    assert measure(detector, test).error.median() < 0.7 * before
