"""What the study trains: sizes, rows, and the experiment of every cell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIFTERS = ("mlp", "videopose", "semgcn", "stgcn")
COLUMNS = {"lab_own": "lab, own", "lab_random": "lab, random", "wild_own": "wild, own", "wild_random": "wild, random"}


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes:
        lifters: settings of each lifter.
        seeds: how many seeds each lifter has.
        batch: poses a step.
        pretraining: steps of the lifter on captured poses, which every row of a seed goes on from.
        warm_up: steps of augmentor and discriminators before the lifter sees an augmented pose.
        cycles: of PoseAug after that.
        adversarial: steps of augmentor and discriminators in each cycle.
        lifting: steps of the lifter on kept and on real poses in each cycle, each.
        adversary_lr: learning rate of augmentor and discriminators, the paper's; at 3e-4 the discriminator of 2D poses
            often wins within the small size's steps, and people drift out of its reach.
        lr: learning rate of the pre-training.
        lr_after: learning rate of the lifter after it, in every row.
    """

    lifters: dict[str, dict[str, Any]]
    seeds: dict[str, int]
    batch: int
    pretraining: int
    warm_up: int
    cycles: int
    adversarial: int
    lifting: int
    adversary_lr: float
    lr: float = 2e-3
    lr_after: float = 3e-4

    @property
    def updates(self) -> int:
        """Steps that the lifter is trained after its pre-training, whatever the row."""
        return self.cycles * 2 * self.lifting


SIZES = {
    "small": Size(
        lifters={
            "mlp": {"channels": 256, "initial": "uniform"},
            "videopose": {"channels": 256},
            "semgcn": {"channels": 48},
            "stgcn": {"channels": 24},
        },
        seeds={"mlp": 3, "semgcn": 3, "videopose": 1, "stgcn": 1},
        batch=256,
        pretraining=2500,
        warm_up=2000,
        cycles=10,
        adversarial=80,
        lifting=80,
        adversary_lr=1e-4,
    ),
    # The paper's sizes: 50 epochs of about 1500 iterations, of which two to warm up.
    "full": Size(
        lifters={"mlp": {"initial": "uniform"}, "videopose": {}, "semgcn": {}, "stgcn": {}},
        seeds=dict.fromkeys(LIFTERS, 3),
        batch=1024,
        pretraining=20_000,
        warm_up=3000,
        cycles=48,
        adversarial=1500,
        lifting=1500,
        adversary_lr=1e-4,
        lr_after=1e-4,
    ),
    # Says whether the study works, nothing else.
    "tiny": Size(
        lifters={name: {"channels": 16} for name in LIFTERS},
        seeds=dict.fromkeys(LIFTERS, 1) | {"mlp": 2},
        batch=32,
        pretraining=20,
        warm_up=5,
        cycles=2,
        adversarial=5,
        lifting=5,
        adversary_lr=1e-3,
    ),
}

BOTH = ("kcs_part", "pose2d")
# As released, but for two things. Poses beyond the left and the upper edge of the image are dropped, which the released
# code keeps; and nobody gets bone lengths of Human3.6M's subjects, because training and test data here have one body.
ADAPTED = {"feedback_from_cycle": 2, "accept": "two_sided"}
# The cameras of the captured poses, as ranges.
LAB_VIEWS = {"elevation": [0.09, 0.13], "distance": [5.0, 5.5]}
PLAIN: dict[str, list[dict[str, Any]]] = {
    "pretrained": [],
    "captured": [],
    "rigid + jitter": [{"name": "rigid"}, {"name": "jitter"}],
    "rigid + jitter, lab views": [{"name": "rigid", **LAB_VIEWS}, {"name": "jitter"}],
}
# The settings of the augmentor and the discriminators of each row with PoseAug.
LEARNED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "PoseAug": ({}, BOTH),
    "BA": ({"bone_length": False, "rigid": False, "feedback": "none"}, BOTH),
    "RT": ({"bone_angle": False, "bone_length": False, "feedback": "none"}, BOTH),
    "BA + RT": ({"bone_length": False, "feedback": "none"}, BOTH),
    "BA + RT + BL": ({"feedback": "none"}, BOTH),
    "RT + Extra2D": ({"bone_angle": False, "bone_length": False, "feedback": "none"}, BOTH),
    "pose2d only": ({}, ("pose2d",)),
    "kcs_part only": ({}, ("kcs_part",)),
    "kcs_full + pose2d": ({}, ("kcs_full", "pose2d")),
}
COMPARED = ("captured", "rigid + jitter", "PoseAug")
# Why: what augmentation can give that stays within the captured cameras' views, and 2D poses of other cameras.
EXPLAINED = ("captured", "rigid + jitter, lab views", "PoseAug", "RT", "RT + Extra2D")
ABLATIONS = {
    "Table 5: operators": ("captured", "BA", "RT", "BA + RT", "BA + RT + BL", "PoseAug"),
    "Table 6: discriminators": ("captured", "pose2d only", "kcs_part only", "PoseAug"),
    "Table 7: part-aware KCS": ("captured", "kcs_full + pose2d", "PoseAug"),
}
ABLATED = "videopose"
EXAMINED = "mlp"


@dataclass(frozen=True)
class Cell:
    """One run."""

    row: str
    lifter: str
    seed: int

    @property
    def folder(self) -> str:
        """The name of its run directory."""
        row = self.row.replace(" + ", "+").replace(",", "").replace(" ", "-").lower()
        return f"{self.lifter}-{row}-{self.seed}"


def cells(size: Size, lifters: tuple[str, ...]) -> list[Cell]:
    """Return all cells, pre-training before what needs it."""
    found = []
    for lifter in lifters:
        rows = ["pretrained", *COMPARED]
        if lifter == ABLATED:
            rows += dict.fromkeys(row for table in ABLATIONS.values() for row in table if row not in COMPARED)
        if lifter == EXAMINED:
            rows += [row for row in EXPLAINED if row not in COMPARED]
        found += [Cell(row, lifter, seed) for row in rows for seed in range(size.seeds[lifter])]
    return found


def experiment(cell: Cell, size: Size, mocap: Path, out: Path) -> dict[str, Any]:
    """Return the experiment document of a cell."""
    lab, wild = str(mocap / "lab"), str(mocap / "wild")
    document: dict[str, Any] = {
        "batch_size": size.batch,
        "lr_schedule": "linear",
        "seed": cell.seed,
        "source": [{"name": "bvh", "path": lab}],
        "lifter": {"name": cell.lifter, **size.lifters[cell.lifter]},
        "eval": {
            "lab_own": {"name": "bvh", "path": lab, "split": "test"},
            "lab_random": {"name": "bvh", "path": lab, "split": "test", "cameras": "random"},
            "wild_own": {"name": "bvh", "path": wild, "split": "all"},
            "wild_random": {"name": "bvh", "path": wild, "split": "all", "cameras": "random"},
        },
    }
    if cell.row == "pretrained":
        return document | {"steps": size.pretraining, "lr": size.lr, "lr_schedule": "onecycle"}
    document["lr"] = size.lr_after
    document["pretrained"] = str((out / Cell("pretrained", cell.lifter, cell.seed).folder).absolute())
    if cell.row in PLAIN:
        return document | {"steps": size.updates, "augmentor": PLAIN[cell.row]}
    return document | _learned(cell.row, size, lab)


def _learned(row: str, size: Size, lab: str) -> dict[str, Any]:
    settings, names = LEARNED[row]
    rate = {"learning_rate": size.adversary_lr}
    discriminators = {name: {"name": name, **rate} for name in names}
    if row.endswith("+ Extra2D"):
        # The captured motion again, its 2D joints as other cameras see them; nobody is shown its 3D.
        discriminators["pose2d"]["extra_2d"] = f"bvh:path={lab},cameras=random"
    adversarial = {"trains": ["augmentor", "discriminator"]}
    lifting = {"steps": size.lifting, "trains": ["lifter"]}
    return {
        "steps": size.warm_up + size.cycles * size.adversarial + size.updates,
        "augmentor": [{"name": "poseaug", **ADAPTED, **rate, **settings}],
        "discriminator": list(discriminators.values()),
        "phase": [
            {"name": "warm-up", "steps": size.warm_up, "last_cycle": 1, **adversarial},
            {"name": "adversarial", "steps": size.adversarial, "keep": True, **adversarial},
            {"name": "augmented", "poses": "kept", **lifting},
            {"name": "real", "poses": "drawn", **lifting},
        ],
    }
