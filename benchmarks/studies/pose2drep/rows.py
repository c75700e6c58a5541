"""What the study trains: sizes, rows, and the experiment of every cell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes:
        seeds: how many seeds each row has; they are trained side by side.
        channels: width of lifters and discriminator.
        batch: poses a step, for each seed.
        steps: training steps.
        epochs: how many times, evenly over the steps, every seed is evaluated.
        watched: poses of each set that those evaluations look at.
        lr: learning rate of lifters and discriminator.
        rotations: one turn for each pose ("sample"), or one for the whole batch as in the released code ("batch").
        thinning: keep every so many clips.
    """

    seeds: int
    channels: int
    batch: int
    steps: int
    epochs: int
    watched: int
    lr: float = 2e-4
    rotations: str = "sample"
    thinning: int = 1

    @property
    def every(self) -> int:
        """Steps between evaluations."""
        return self.steps // self.epochs


SIZES = {
    "small": Size(seeds=5, channels=96, batch=192, steps=3000, epochs=30, watched=2048),
    # The paper's width, batch and rate. Its 800 epochs on poses five times thinned make about as many steps.
    "full": Size(seeds=5, channels=1024, batch=8192, steps=32_000, epochs=160, watched=8192, rotations="batch"),
    # Says whether the study works, nothing else.
    "tiny": Size(seeds=2, channels=16, batch=32, steps=24, epochs=4, watched=64, thinning=12),
}


@dataclass(frozen=True)
class Row:
    """A representation and how it is trained."""

    lifter: str
    input: str = "orthographic"
    half_turn_sign: str = "right"


# By the names that the fact sheets and tables use. B: seen in perspective, as cameras do; the others orthographically.
ROWS = {
    "Full": Row("full2d"),
    "SC-LT": Row("splitcombine_legtorso"),
    "Ind-LT": Row("independent_legtorso"),
    "SC-5": Row("splitcombine_limbs"),
    "Ind-5": Row("independent_limbs"),
    "Ind-5w": Row("independent_limbs", half_turn_sign="wrong"),
    "Full B": Row("full2d", input="perspective"),
    "Ind-LT B": Row("independent_legtorso", input="perspective"),
}
MEANING = {
    "Full": "one lifter for the whole pose",
    "SC-LT": "features of legs and torso apart, then combined",
    "Ind-LT": "independent lifters for legs and torso",
    "SC-5": "features of torso and limbs apart, then combined",
    "Ind-5": "independent lifters for torso and limbs",
    "Ind-5w": "Ind-5 with the half-turn sign of the released code",
    "Full B": "Full, trained and tested on perspective images",
    "Ind-LT B": "Ind-LT, trained and tested on perspective images",
}


def folder_of(row: str) -> str:
    """Return the name of a row's run directory."""
    return row.replace(" ", "-").lower()


def experiment(row: str, size: Size, clips: dict[str, Path]) -> dict[str, Any]:
    """Return the experiment document of a row."""
    settings = ROWS[row]
    document: dict[str, Any] = {
        "steps": size.every * size.epochs,
        "batch_size": size.batch,
        "lr": size.lr,
        "lr_schedule": "constant",
        "clip_norm": 0.0,
        "seed": 0,
        "checkpoint_every": size.every,
        "protocol": "pose2drep",
        "projection": settings.input,
        "source": [{"name": "bvh", "path": str(clips["train"]), "split": "all"}],
        "lifter": {"name": settings.lifter, "channels": size.channels},
        "objective": {
            "name": "reprojection",
            "half_turn_sign": settings.half_turn_sign,
            "rotations": size.rotations,
        },
        "discriminator": [{"name": "pose2d_residual", "channels": size.channels, "learning_rate": size.lr}],
        "eval": {label: {"name": "bvh", "path": str(clips[label]), "split": "all"} for label in ("lab_test", "wild")},
    }
    return document | ({"seeds": size.seeds} if size.seeds > 1 else {})
