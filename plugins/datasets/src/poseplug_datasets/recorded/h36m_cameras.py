"""Human3.6M's cameras: where they stood for each subject, in a world with y up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.rotations import quaternion_to_rotmat

# Cameras 54138969, 55011271, 58860488, 60457274, the same for all subjects: focal lengths, principal point (pixels),
# image size, k1 k2 k3, p1 p2 in the order in which the data set keeps them. Figures of Human3.6M's metadata.xml as
# VideoPose3D prints them (common/h36m_dataset.py).
_INTRINSICS = """
1145.0494 1143.7811 512.5415 515.4515 1000 1002
-0.20709892 0.24777518 -0.0030751503 -0.0009756989 -0.0014244716
1149.6757 1147.5917 508.84863 508.0649 1000 1000
-0.19421363 0.24040854 0.0068199756 -0.0016190266 -0.0027408944
1149.1407 1148.799 519.81586 501.40265 1000 1000
-0.20833819 0.255488 -0.0024604974 0.001484387 -0.0007599993
1145.5114 1144.7739 514.9682 501.88202 1000 1002
-0.19838409 0.21832368 -0.008947807 -0.0005872056 -0.001813362
"""
# For each subject the four cameras: a unit quaternion w x y z, camera to world, and the centre in the world, mm. The
# same source.
_EXTRINSICS = """
S1 0.14070565 -0.15007018 -0.7552408 0.62232804 1841.107 4955.2847 1563.4454
S1 0.6157188 -0.7648363 -0.14833826 0.11794741 1761.2786 -5078.007 1606.265
S1 0.14651473 -0.14647852 0.76530236 -0.60941756 -1846.7777 5215.0464 1491.9724
S1 0.58340085 -0.7853162 0.14548823 -0.14749594 -1794.7897 -3722.699 1574.8927
S5 0.14673772 -0.16237096 -0.7551893 0.6178939 2097.3916 4880.945 1605.7324
S5 0.61597586 -0.7626792 -0.15728192 0.1189815 2031.7008 -5167.933 1612.9231
S5 0.14291371 -0.12907842 0.7678385 -0.6110143 -1620.5948 5171.6587 1496.437
S5 0.592048 -0.7814218 0.12747486 -0.15036418 -1637.1737 -3867.3174 1547.0332
S6 0.13378978 -0.15692396 -0.75710905 0.61988795 1935.4518 4950.2456 1618.0839
S6 0.61471975 -0.7628813 -0.16174768 0.11819245 1969.804 -5128.739 1632.7788
S6 0.15299481 -0.13529131 0.76460963 -0.6112781 -1769.5964 5185.3613 1476.9934
S6 0.59161013 -0.7804774 0.1283227 -0.15615939 -1721.6687 -3884.1313 1540.4879
S7 0.14352418 -0.16313368 -0.75483286 0.6188825 1974.513 4926.3545 1597.8326
S7 0.6141673 -0.76382625 -0.15966456 0.117792994 1937.0585 -5119.79 1631.5665
S7 0.1455006 -0.12874816 0.76605165 -0.61271393 -1741.8112 5208.2495 1464.8246
S7 0.5912848 -0.78217643 0.12445474 -0.15196487 -1734.7106 -3832.4214 1548.583
S8 0.14110588 -0.15589868 -0.75619173 0.61964405 2150.6519 4896.161 1611.9047
S8 0.61696017 -0.7647668 -0.1484635 0.11158158 2219.9656 -5148.453 1613.0441
S8 0.1471444 -0.1337712 0.76701283 -0.61003697 -1571.2216 5137.0186 1498.1761
S8 0.59278244 -0.78258705 0.12147816 -0.14631996 -1476.9133 -3896.7412 1547.9722
S9 0.15540588 -0.15548216 -0.75320953 0.6199595 2044.4585 4935.117 1481.2275
S9 0.6187845 -0.7634735 -0.14132239 0.11933968 1990.9597 -5123.8105 1568.8048
S9 0.13357827 -0.13671005 0.76894546 -0.61007386 -1670.9922 5211.986 1528.388
S9 0.5879399 -0.7823407 0.14276144 -0.1479487 -1696.0435 -3827.0999 1591.4127
S11 0.15232472 -0.1544232 -0.75475633 0.619107 2098.4402 4926.5547 1500.2786
S11 0.61894494 -0.7600917 -0.15300633 0.12552583 2083.1824 -4912.173 1561.0786
S11 0.14943229 -0.15650228 0.7681234 -0.60263044 -1609.8153 5177.336 1537.8967
S11 0.58942515 -0.7818877 0.13991211 -0.14715362 -1590.738 -3854.169 1578.0176
"""
TRAIN = ("S1", "S5", "S6", "S7", "S8")
TEST = ("S9", "S11")
SUBJECTS = (*TRAIN, *TEST)
CAMERAS = 4


def cameras(subjects: Sequence[str]) -> Camera:
    """Return the four cameras of each subject, one subject after the other, with extrinsics in a world with y up.

    The world's axes are Human3.6M's (z up) turned as ``y_up`` does, its unit is the metre.
    """
    table = np.array([line.split()[1:] for line in _EXTRINSICS.strip().splitlines()], float).reshape(-1, CAMERAS, 7)
    rows = table[[SUBJECTS.index(subject) for subject in subjects]].reshape(-1, 7)
    turned = torch.from_numpy(rows[:, [1, 2, 3, 0]] / np.linalg.norm(rows[:, :4], axis=1, keepdims=True))
    rotation = y_up(quaternion_to_rotmat(turned).mT.numpy())
    inner = np.tile(np.array(_INTRINSICS.split(), float).reshape(CAMERAS, 11), (len(subjects), 1))
    values = (inner[:, :2], inner[:, 2:4], inner[:, 4:6], inner[:, 6:], rotation, y_up(rows[:, 4:] / 1000))
    return Camera(*(torch.from_numpy(np.ascontiguousarray(value)).float() for value in values))


def y_up(points: NDArray[Any]) -> NDArray[Any]:
    """Return points [..., 3] of Human3.6M's world, whose z axis points up, in one whose y axis does."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return np.stack([x, z, -y], axis=-1)
