import pytest
from toys import (
    CONTEXT,
    STAR,
    CriticObjective,
    FlatSource,
    LinearLifter,
    MeanRoot,
    PartObjective,
    SizeDiscriminator,
    StarSource,
)

from poseplug.core.errors import PoseplugError
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.assembly import Assembly, check_combination
from poseplug.core.training.supervised import Supervised

GOOD = {
    "sources": {"star": StarSource},
    "objective": ("supervised", Supervised),
    "discriminators": (),
    "root": None,
    "reweighter": None,
    "has_reference": False,
}


def check(**changes):
    check_combination(**{**GOOD, **changes})


def test_combinations_that_work_pass():
    check()
    check(sources={"flat": FlatSource}, objective=("parts", PartObjective))
    check(objective=("critic", CriticObjective), discriminators=["size"])
    check(root=("mean", MeanRoot))
    # Who learns nothing needs no 3D.
    check(sources={"flat": FlatSource}, root=("mean", MeanRoot), idle={"lifter", "root"})
    check(made_from_reference=["fk"], reweighter="cips", has_reference=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sources": {"flat": FlatSource}},
            "Objective 'supervised' learns from 3D joints, and source 'flat' gives 2D only",
        ),
        (
            {"sources": {"flat": FlatSource}, "objective": ("parts", PartObjective), "root": ("mean", MeanRoot)},
            "Root estimator 'mean' learns from 3D joints, and source 'flat'",
        ),
        (
            {"objective": ("critic", CriticObjective)},
            "Objective 'critic' learns from a discriminator; add one with --disc",
        ),
        ({"made_from_reference": ["fk"]}, "Source 'fk' is made from reference poses; add --reference"),
        ({"reweighter": "cips"}, "Reweighter 'cips' is made from reference poses; add --reference"),
    ],
)
def test_combinations_that_cannot_work_are_refused(changes, message):
    with pytest.raises(PoseplugError, match=message):
        check(**changes)


def test_a_discriminator_that_nothing_learns_from_is_refused():
    model = LiftingModel(LinearLifter(LinearLifter.Config(), CONTEXT), STAR)
    with pytest.raises(PoseplugError, match="Discriminator size: nothing in this run learns from it"):
        Assembly(StarSource(), Supervised(), model, discriminators={"size": SizeDiscriminator()})
