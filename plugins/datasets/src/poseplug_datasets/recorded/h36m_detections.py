"""2D joints that a detector found in Human3.6M's videos, as VideoPose3D keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.layouts import H36M_16, H36M_17, LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.storage.plain_npz import read_npz
from poseplug_datasets.recorded.annotations import numbers, plain_dict, wanted_file
from poseplug_datasets.recorded.h36m_cameras import CAMERAS

# The order of joints is known by how many there are and which are left ones: metadata's keypoints_symmetry, of which
# data/data_utils.py of VideoPose3D has a list. Its name, layout_name, is not in every file.
_ORDERS = {
    (17, (4, 5, 6, 11, 12, 13)): "h36m17",
    (16, (4, 5, 6, 10, 11, 12)): "h36m16",
    (16, (4, 5, 6, 11, 12, 13)): "h36m16",  # the 17 joints' metadata, after the tenth joint was deleted
    (16, (3, 4, 5, 13, 14, 15)): "mpii16",
    (17, (1, 3, 5, 7, 9, 11, 13, 15)): "coco17",
}


class Detected:
    """The 2D joints of one detector in all videos.

    Args:
        data: the file with the 3D joints, beside which ``data_2d_h36m_NAME.npz`` is.
        name: NAME, or the path of a file, from the folder of the 3D joints.
        skeleton: the layout wanted.

    Raises:
        PoseplugError: there is no such file, it is damaged, or its joints cannot be brought to the layout.
    """

    def __init__(self, data: Path, name: str, skeleton: Skeleton) -> None:
        file = Path(name).expanduser() if name.endswith(".npz") else Path(f"data_2d_h36m_{name}.npz")
        self.path = data.parent / file
        if not self.path.is_file():
            raise wanted_file(
                self.path,
                "a detector's 2D joints in Human3.6M's videos as VideoPose3D prepares them",
                "the links in VideoPose3D's DATASETS.md, or PoseAug's",
                "Put it beside the 3D file; detections=gt,cpn_ft_h36m_dbb,... names those there.",
            )
        arrays = read_npz(self.path, ["positions_2d"], ["metadata"])
        self.found = plain_dict(arrays["positions_2d"], f"'{self.path}', array 'positions_2d',")
        self.metadata = plain_dict(arrays.get("metadata", {}), f"'{self.path}', array 'metadata',")
        self.skeleton = skeleton

    def joints(self, subject: str, take: str, frames: int, stride: int) -> list[NDArray[np.float32]]:
        """Return what was found in a take's four videos [T, J, 2], pixels, for every so many of its frames.

        Raises:
            PoseplugError: a video is lacking, shorter than the take, or damaged.
        """
        where = f"'{self.path}', {subject} '{take}'"
        takes = self.found.get(subject)
        videos: Any = takes.get(take) if isinstance(takes, dict) else None
        listed = isinstance(videos, list | tuple) or (isinstance(videos, np.ndarray) and videos.ndim > 0)
        if not listed or len(videos) != CAMERAS:
            raise PoseplugError(
                f"{where}: there are no 2D joints of {CAMERAS} cameras, which the 3D file has poses for."
            )
        return [self._video(video, f"{where}, camera {i},", frames, stride) for i, video in enumerate(videos)]

    def _video(self, video: Any, where: str, frames: int, stride: int) -> NDArray[np.float32]:
        pixels = numbers(video, where, None, None, 2, kinds="f")
        if len(pixels) < frames:
            raise PoseplugError(f"{where} has {len(pixels)} frames; the 3D file has {frames}.")
        order = self._order(pixels.shape[1], where)
        kept = torch.from_numpy(pixels[:frames:stride].astype(np.float32))
        return map_layout(order, self.skeleton)(kept).numpy()

    def _order(self, joints: int, where: str) -> Skeleton:
        """Return the layout of so many joints."""
        symmetry = self.metadata.get("keypoints_symmetry")
        if symmetry is None:
            order = {17: "h36m17", 16: "h36m16"}.get(joints)
        else:
            try:
                left, _ = symmetry
                order = _ORDERS.get((joints, tuple(int(joint) for joint in left)))
            except (TypeError, ValueError) as error:
                raise PoseplugError(f"'{self.path}': metadata's keypoints_symmetry is no pair of lists.") from error
        if order is None:
            raise PoseplugError(f"{where} has {joints} joints in an order that is not known: left ones are {symmetry}.")
        if order == H36M_16.name and self.skeleton == H36M_17:
            raise PoseplugError(f"'{self.path}' has 16 joints, without Neck; load it with skeleton=h36m16.")
        return LAYOUTS[order]
