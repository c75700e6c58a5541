"""The source ``bvh``: motion capture in BVH files, any rig, seen by fixed or random cameras."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import REQUIRED, setting
from poseplug_datasets.mocap.bvh_clips import check_units, describe, find_clips, load, mapper, turned_up, up_axis
from poseplug_datasets.mocap.example_clip import example_bvh
from poseplug_datasets.viewing import ViewedPoses, ViewSettings, WorldPoses

_TEST_EVERY = 5


def _check_pattern(pattern: str) -> str | None:
    try:
        groups = re.compile(pattern).groupindex
    except re.error as error:
        return f"must be a regular expression, got '{pattern}': {error}"
    return None if not pattern or "action" in groups else "must have a group (?P<action>...)"


@attrs.frozen(kw_only=True)
class BVHSettings(ViewSettings):
    """Which clips are read, and how."""

    path: str = setting(REQUIRED, "a BVH file, or a folder that is searched for them with its subfolders", path=True)
    split: str = setting(
        "train",
        "which clips: of the clips sorted by file name every fifth is test, the others train",
        choices=("train", "test", "all"),
    )
    test_label: str = setting("", "instead of every fifth, the clips whose file name contains this are test")
    stride: int = setting(2, "keep every so many frames of a clip", minimum=1)
    units: str = setting(
        "auto", "unit of length: auto (by the legs), m, cm, mm, inch, cmu, or metres per unit", check=check_units
    )
    up: str = setting("auto", "vertical axis; auto: by where the heads are", choices=("auto", "y", "z"))
    names: str = setting(
        "", "TOML or JSON file that gives the BVH joint for each joint; known rigs need none", path=True
    )
    labels: str = setting(
        "",
        "regular expression that file names start with, with groups action and (optional) subject; "
        "without one the names of known data sets are understood",
        check=_check_pattern,
    )


class BVH(ViewedPoses):
    """Poses of motion-capture clips.

    Raises:
        PoseplugError: nothing to read, a split without clips, a damaged file, or joints or units not understood.
    """

    Config = BVHSettings

    def __init__(self, config: BVHSettings, context: BuildContext) -> None:
        super().__init__(read_poses(config, context).share(config, context), config)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, str]:
        """Write a tiny clip into a folder and return settings that read it, for ``poseplug check``."""
        (folder / "sway.bvh").write_text(example_bvh(), encoding="utf-8")
        return {"path": str(folder)}


def read_poses(config: BVHSettings, context: BuildContext) -> WorldPoses:
    """Return all poses of the chosen clips in clip order, on the context's device."""
    skeleton = config.layout(context)
    clips = find_clips(Path(config.path).expanduser())
    described = [describe(clip, config.labels) for clip in clips]
    find = mapper(skeleton, config.names)
    chosen = split_clips(clips, config)
    joints = [load(clips[i], skeleton, find, units=config.units, stride=config.stride) for i in chosen]
    up = up_axis(joints, skeleton) if config.up == "auto" else config.up
    frames = torch.tensor([len(clip) for clip in joints])
    labels, label_names = {}, {}
    for column, label in enumerate(("action", "subject")):
        # Classes are numbered over all clips, so that the splits of a folder agree.
        label_names[label] = tuple(sorted({both[column] for both in described}))
        classes = torch.tensor([label_names[label].index(described[i][column]) for i in chosen])
        labels[label] = classes.repeat_interleave(frames).to(context.device)
    return WorldPoses(skeleton, turned_up(torch.cat(joints), up).to(context.device), labels, label_names)


def split_clips(clips: list[Path], config: BVHSettings) -> list[int]:
    """Return the numbers of the clips that a split means.

    Raises:
        PoseplugError: it means none.
    """
    if config.test_label:
        test = [i for i, clip in enumerate(clips) if config.test_label in clip.stem]
        rule = f"the clips with '{config.test_label}' in their name are test"
    else:
        test = list(range(_TEST_EVERY - 1, len(clips), _TEST_EVERY))
        rule = f"every {_TEST_EVERY}th clip is test"
    tests = set(test)
    chosen = {"all": list(range(len(clips))), "test": test, "train": [i for i in range(len(clips)) if i not in tests]}
    if not chosen[config.split]:
        raise PoseplugError(
            f"'{config.path}' has no clip in split={config.split}: it holds {len(clips)}, and {rule}. "
            "Use split=all for all of them, or choose the test clips with test_label=."
        )
    return chosen[config.split]
