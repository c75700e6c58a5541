"""Lifted poses as a posefile, which the source ``posefile`` reads: to train on, to look at, to compare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.pose_file_writer import write_pose_file
from poseplug.core.data.stored_poses import About, StoredPoses
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.registry.lifting.lifted import Lifted


def write_posefile(path: Path, lifted: Lifted) -> list[Path]:
    """Write poses where they stand, by their cameras; people who were not lifted, or stand nowhere, are left out.

    Raises:
        PoseplugError: the file cannot be written.
    """
    if not np.isfinite(lifted.poses.read(slice(None), "root")[0][lifted.good]).all(1).any():
        raise PoseplugError(
            f"Nobody can be put into '{path}': of no one can be said where they stand, since all of their joints are "
            "seen at one point. Look at the key points; .npz and .json hold poses without a place."
        )
    about = About(skeleton=lifted.skeleton, made_by="poseplug lift")
    write_pose_file(path, _batches(lifted), about, int(lifted.good.sum()))
    return [path]


def _batches(lifted: Lifted) -> Iterator[StoredPoses]:
    for poses in lifted.blocks():
        kept = np.isfinite(poses.joints_3d).all((1, 2)) & np.isfinite(poses.root).all(1)
        if not kept.any():
            continue
        camera = torch.from_numpy(poses.camera[kept])
        joints = torch.from_numpy(poses.joints_3d[kept] + poses.root[kept][:, None])
        seen = torch.from_numpy(poses.joints_2d[kept])
        yield StoredPoses(
            PoseBatch(lifted.skeleton, seen, Camera(camera[:, :2], camera[:, 2:4], camera[:, 4:]), joints),
            confidence=torch.from_numpy(poses.confidence[kept]),
            frame=torch.from_numpy(poses.frame[kept]),
            track=torch.from_numpy(poses.track[kept]),
        )
