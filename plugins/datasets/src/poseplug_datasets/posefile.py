"""The source ``posefile``: poses in poseplug's own files, read by memory map, for sets that do not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.pose_file_reader import PoseFile
from poseplug.core.data.pose_file_writer import write_pose_file
from poseplug.core.data.stored_poses import About
from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext, FiniteSource
from poseplug.core.settings import REQUIRED, setting
from poseplug_datasets.builtin import Builtin, BuiltinSettings
from poseplug_datasets.thinning import ShareSettings
from poseplug_datasets.whole_scenes import Numbers, SceneRows, scene_numbers

Rows = NDArray[np.uint32]
# A label of this name says of each pose whether it is train or test.
_SPLIT = "split"


@attrs.frozen(kw_only=True)
class PoseFileSettings(ShareSettings):
    """Which poses of which file are read."""

    path: str = setting(REQUIRED, "a posefile, or a folder of its shards (part-00000.safetensors, ...)", path=True)
    split: str = setting(
        "train",
        "which poses: test are those that test_subjects or test_every say, or the file's own label 'split'; train are "
        "the others, all where nothing says what is test",
        choices=("train", "test", "all"),
    )
    test_subjects: tuple[str, ...] = setting((), "the poses of these subjects are test")
    test_every: int = setting(0, "every so many poses, or scenes, one is test; 0: none", minimum=0)
    whole_scenes: bool = setting(
        False,
        "draw scenes, images with all who stand in them, instead of people one by one; a scene with somebody in it who "
        "was not chosen is left out",
    )
    subjects: tuple[str, ...] = setting((), "only poses of these subjects; none: of all")
    actions: tuple[str, ...] = setting((), "only poses of these actions; none: of all")

    def __attrs_post_init__(self) -> None:
        if self.test_subjects and self.test_every:
            raise ValueError("test_subjects and test_every both say which poses are test; give one of them")


class PoseFileSource(FiniteSource):
    """The chosen poses of a file; nothing but labels is read before it is asked for.

    Raises:
        PoseplugError: there is no such file, it is damaged, or nothing in it was chosen.
    """

    Config = PoseFileSettings
    # They are as they were stored, whether projected or seen by a detector.
    measured_2d = True

    def __init__(self, config: PoseFileSettings, context: BuildContext) -> None:
        self._file = PoseFile(config.path)
        self._device = context.device
        self.skeleton, self.label_names = self._file.about.skeleton, self._file.about.label_names
        self.has_3d = "joints_3d" in self._file.columns
        self._scenes: SceneRows | None = None
        if config.whole_scenes:
            self._scenes = _whole(self._file, config, context)
            return
        rows = _chosen(self._file, config)
        if (kept := config.kept(len(self._file) if rows is None else len(rows), context)) is not None:
            rows = kept.numpy().astype(np.uint32) if rows is None else rows[kept.numpy()]
        self._rows = rows

    def __len__(self) -> int:
        if self._scenes is not None:
            return len(self._scenes)
        return len(self._file) if self._rows is None else len(self._rows)

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        # Poses lie on the host, so that on a GPU it has to wait for what the generator draws.
        drawn = torch.randint(len(self), (n,), generator=generator, device=generator.device)
        return self._read(drawn.cpu())

    def batches(self, size: int) -> Iterator[PoseBatch]:
        for start in range(0, len(self), size):
            yield self._read(torch.arange(start, min(start + size, len(self))))

    def _read(self, which: Tensor) -> PoseBatch:
        if self._scenes is not None:
            return self._scenes.read(which).to(self._device)
        rows = which.numpy()
        return self._file.rows(rows if self._rows is None else self._rows[rows]).poses.to(self._device)

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, str]:
        """Write a small posefile into a folder and return settings that read it, for ``poseplug check``."""
        source = Builtin(BuiltinSettings(takes=1, frames=2), BuildContext())
        path = folder / "poses.safetensors"
        about = About(skeleton=H36M_16, label_names=source.label_names, made_by="builtin:takes=1,frames=2")
        write_pose_file(path, source.batches(1000), about, len(source))
        return {"path": str(path)}


def _whole(file: PoseFile, config: PoseFileSettings, context: BuildContext) -> SceneRows:
    """Return the scenes all of whose people are chosen."""
    numbers = scene_numbers(file)
    rows = _chosen(file, config, numbers)
    chosen = np.ones(len(file), np.bool_)
    if rows is not None:
        chosen[:] = False
        chosen[rows] = True
    scenes = SceneRows.of(file, numbers, chosen)
    if not len(scenes):
        raise PoseplugError(
            f"'{config.path}' has no scene in which everybody is chosen; choose others, or leave out whole_scenes."
        )
    kept = config.kept(len(scenes), context)
    return scenes if kept is None else scenes.select(kept)


def _chosen(file: PoseFile, config: PoseFileSettings, numbers: Numbers | None = None) -> Rows | None:
    """Return the numbers of the chosen poses; None for all.

    Args:
        file: the poses.
        config: which of them.
        numbers: [N] by which ``test_every`` counts; none: each pose has the next.
    """
    keep: NDArray[np.bool_] | None = None
    wanted = {"subject": config.subjects, "action": config.actions}
    for label, classes in wanted.items():
        if classes:
            keep = _among(file, label, classes) & (True if keep is None else keep)
    test = _test(file, config, np.arange(len(file)) if numbers is None else numbers)
    if config.split == "test" and test is None:
        raise PoseplugError(
            f"Nothing says which poses of '{config.path}' are test: give test_subjects=[NAME,NAME] or test_every=N, "
            "here and where it is trained on, or evaluate on other data with --eval."
        )
    if config.split != "all" and test is not None:
        keep = (test if config.split == "test" else ~test) & (True if keep is None else keep)
    if keep is None:
        return None
    rows: Rows = np.flatnonzero(keep).astype(np.uint32)
    if not len(rows):
        raise PoseplugError(
            f"'{config.path}' has no poses with {_said(config, wanted)}; use split=all, or choose others."
        )
    return rows


def _test(file: PoseFile, config: PoseFileSettings, numbers: Numbers) -> NDArray[np.bool_] | None:
    """Return which poses are test; None where nothing says so."""
    if config.test_subjects:
        return _among(file, "subject", config.test_subjects)
    if config.test_every:
        every: NDArray[np.bool_] = numbers % config.test_every == config.test_every - 1
        return every
    if "test" in file.about.label_names.get(_SPLIT, ()):
        return _among(file, _SPLIT, ("test",))
    return None


def _among(file: PoseFile, label: str, names: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return which poses have one of the named classes."""
    known = file.about.label_names.get(label)
    if known is None:
        listed = ", ".join(sorted(file.about.label_names)) or "none"
        raise PoseplugError(f"'{file.path}' says nothing of any {label} (its labels: {listed}); leave {label}s out.")
    for name in names:
        if name not in known:
            raise PoseplugError(f"'{file.path}' has no {label} '{name}'.{did_you_mean(name, known)}")
    return np.isin(file.label(label), [known.index(name) for name in names])


def _said(config: PoseFileSettings, wanted: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join([f"split={config.split}", *(f"{k}s=[{','.join(v)}]" for k, v in wanted.items() if v)])
