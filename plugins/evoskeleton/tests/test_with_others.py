"""Evolution on the way, PoseGU's poses and weights, PoseAug's augmentor and discriminators in one run: every lifter."""

from __future__ import annotations

import pytest

from poseplug.registry.api import rehearse
from poseplug.registry.discovery.catalogue import load_catalogue

FEW = "builtin:takes=1,frames=4"
EVERYBODY = {
    "reference": FEW,
    "source": "fk_generator:seed_poses=20",
    "reweighter": "cips:fit_samples=2000",
    "augmentor": "evolution:population=200+poseaug",
    "discriminator": "kcs_part+pose2d",
    "objective": "supervised",  # some lifters learn from 2D alone where nobody says otherwise
    "eval": {"here": FEW},
}


@pytest.mark.parametrize("lifter", [entry.name for entry in load_catalogue().of("lifter")])
def test_all_of_them_train_together(lifter):
    document = rehearse({**EVERYBODY, "lifter": lifter}, device="cpu")
    assert [part["name"] for part in document["augmentor"]] == ["evolution", "poseaug"]


def test_evolved_poses_and_a_cascade_of_another_lifter():
    rehearse({"reference": FEW, "source": "evolved:times=1.5", "lifter": "cascade:parts=2,part=semgcn"}, device="cpu")
