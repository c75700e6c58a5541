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
        pretraining: steps of the lifter before PoseAug begins.
        cycles: cycles of PoseAug, of which the first two train augmentor and discriminators only.
        adversarial: steps of augmentor and discriminators in each cycle.
        lifting: steps of the lifter on kept and on real poses in each cycle, each.
        adversary_lr: learning rate of augmentor and discriminators; few steps need a higher one than the paper's 1e-4.
        lr: learning rate of the lifter from the start.
        lr_after: learning rate of the lifter after pre-training.
    """

    lifters: dict[str, dict[str, Any]]
    seeds: dict[str, int]
    batch: int
    pretraining: int
    cycles: int
    adversarial: int
    lifting: int
    adversary_lr: float
    lr: float = 1e-3
    lr_after: float = 5e-4

    @property
    def updates(self) -> int:
        """Steps that every lifter is trained, whatever the row."""
        return self.pretraining + (self.cycles - 2) * 2 * self.lifting


SIZES = {
    "small": Size(
        lifters={
            "mlp": {"channels": 256},
            "videopose": {"channels": 256},
            "semgcn": {"channels": 48},
            "stgcn": {"channels": 24},
        },
        seeds={"mlp": 3, "semgcn": 3, "videopose": 1, "stgcn": 1},
        batch=256,
        pretraining=1500,
        cycles=32,
        adversarial=40,
        lifting=50,
        adversary_lr=3e-4,
    ),
    "full": Size(
        lifters={name: {} for name in LIFTERS},
        seeds=dict.fromkeys(LIFTERS, 3),
        batch=1024,
        pretraining=10_000,
        cycles=50,
        adversarial=600,
        lifting=300,
        adversary_lr=1e-4,
    ),
    # Says whether the study works, nothing else.
    "tiny": Size(
        lifters={name: {"channels": 16} for name in LIFTERS},
        seeds=dict.fromkeys(LIFTERS, 1) | {"mlp": 2},
        batch=32,
        pretraining=20,
        cycles=4,
        adversarial=5,
        lifting=5,
        adversary_lr=1e-3,
    ),
}

BOTH = ("kcs_part", "pose2d")
# As released, but for poses beyond the left and the upper edge of the image: the released code keeps them.
PLAUSIBLE = {"swap": "pose", "feedback_from_cycle": 3, "accept": "two_sided"}
PLAIN = {"pretrained": (), "captured": (), "rigid + jitter": ("rigid", "jitter")}
# The settings of the augmentor and the discriminators of each row with PoseAug; the ablations are for videopose.
LEARNED: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "PoseAug": ({}, BOTH),
    "BA": ({"bone_length": False, "rigid": False, "feedback": "none"}, BOTH),
    "RT": ({"bone_angle": False, "bone_length": False, "feedback": "none"}, BOTH),
    "BA + RT": ({"bone_length": False, "feedback": "none"}, BOTH),
    "BA + RT + BL": ({"feedback": "none"}, BOTH),
    "pose2d only": ({}, ("pose2d",)),
    "kcs_part only": ({}, ("kcs_part",)),
    "kcs_full + pose2d": ({}, ("kcs_full", "pose2d")),
}
COMPARED = ("captured", "rigid + jitter", "PoseAug")
ABLATIONS = {
    "Table 5: operators": ("captured", "BA", "RT", "BA + RT", "BA + RT + BL", "PoseAug"),
    "Table 6: discriminators": ("captured", "pose2d only", "kcs_part only", "PoseAug"),
    "Table 7: part-aware KCS": ("captured", "kcs_full + pose2d", "PoseAug"),
}
ABLATED = "videopose"


@dataclass(frozen=True)
class Cell:
    """One run."""

    row: str
    lifter: str
    seed: int

    @property
    def folder(self) -> str:
        """The name of its run directory."""
        return f"{self.lifter}-{self.row.replace(' + ', '+').replace(' ', '-').lower()}-{self.seed}"


def cells(size: Size, lifters: tuple[str, ...]) -> list[Cell]:
    """Return all cells, pre-training before what needs it."""
    found = []
    for lifter in lifters:
        rows = ["pretrained", *COMPARED]
        if lifter == ABLATED:
            rows += dict.fromkeys(row for table in ABLATIONS.values() for row in table if row not in COMPARED)
        found += [Cell(row, lifter, seed) for row in rows for seed in range(size.seeds[lifter])]
    return found


def experiment(cell: Cell, size: Size, mocap: Path, out: Path) -> dict[str, Any]:
    """Return the experiment document of a cell."""
    lab, wild = str(mocap / "lab"), str(mocap / "wild")
    document: dict[str, Any] = {
        "steps": size.pretraining if cell.row == "pretrained" else size.updates,
        "batch_size": size.batch,
        "lr": size.lr,
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
    if cell.row in PLAIN:
        document["augmentor"] = [{"name": name} for name in PLAIN[cell.row]]
        return document
    return document | _learned(cell, size, out)


def _learned(cell: Cell, size: Size, out: Path) -> dict[str, Any]:
    settings, discriminators = LEARNED[cell.row]
    rate = {"learning_rate": size.adversary_lr}
    later = {"steps": size.lifting, "trains": ["lifter"], "first_cycle": 3}
    return {
        "steps": size.cycles * size.adversarial + (size.cycles - 2) * 2 * size.lifting,
        "lr": size.lr_after,
        "pretrained": str((out / Cell("pretrained", cell.lifter, cell.seed).folder).absolute()),
        "augmentor": [{"name": "poseaug", **PLAUSIBLE, **rate, **settings}],
        "discriminator": [{"name": name, **rate} for name in discriminators],
        "phase": [
            {
                "name": "adversarial",
                "steps": size.adversarial,
                "trains": ["augmentor", "discriminator"],
                "keep": True,
            },
            {"name": "augmented", "poses": "kept", **later},
            {"name": "real", "poses": "drawn", **later},
        ],
    }
