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


LIFTERS = load_catalogue().of("lifter")
GIVEN_ROOTS = [entry.name for entry in LIFTERS if "roots" in entry.load().reads]


@pytest.mark.parametrize("lifter", [entry.name for entry in LIFTERS if entry.name not in GIVEN_ROOTS])
def test_all_of_them_train_together(lifter):
    document = rehearse({**EVERYBODY, "lifter": lifter}, device="cpu")
    assert [part["name"] for part in document["augmentor"]] == ["evolution", "poseaug"]


@pytest.mark.parametrize("lifter", GIVEN_ROOTS)
def test_so_do_those_that_are_given_roots_alone_and_in_a_cascade(lifter):
    for of in (f"{lifter}:nodes=8,channels=2", f"cascade:parts=2,part='{lifter}:nodes=8,channels=2'"):
        placed = {"root": "tbs:channels=2", "input": "maps:height=16,width=32", "objective": "l1"}
        rehearse({**EVERYBODY, **placed, "lifter": of}, device="cpu")


def test_evolved_poses_and_a_cascade_of_another_lifter():
    rehearse({"reference": FEW, "source": "evolved:times=1.5", "lifter": "cascade:parts=2,part=semgcn"}, device="cpu")
