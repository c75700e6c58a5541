"""How far off a detector is, in pixels of the images that people are in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.detection.crops import CropMaps
from poseplug.core.detection.detector import Detector
from poseplug.core.detection.labels import LabelledPeople
from poseplug.core.errors import PoseplugError

_BATCH = 16
SHARES = (0.05, 0.1)


@attrs.frozen(eq=False)
class Measured:
    """Errors of all joints that are marked, of N people.

    Attributes:
        error: [N, J] distance in pixels of the image.
        relative: [N, J] the same in longer sides of the person's box.
        visible: [N, J] whether a joint is marked.
    """

    error: Tensor
    relative: Tensor
    visible: Tensor

    def summary(self, joints: Sequence[str], shares: Sequence[float] = SHARES) -> dict[str, Any]:
        """Return the mean error in pixels, of each joint too, and the share of joints within parts of a box's side."""
        counted = self.visible.sum(0)
        per_joint = (self.error * self.visible).sum(0) / counted.clamp_min(1)
        return {
            "people": len(self.error),
            "joints": int(self.visible.sum()),
            "error_px": float(self.error[self.visible].mean()),
            **{
                f"pck_{share:g}": 100 * float((self.relative[self.visible] <= share).float().mean()) for share in shares
            },
            "error_px_by_joint": {
                name: float(per_joint[index]) for index, name in enumerate(joints) if int(counted[index])
            },
        }


def measure(
    detector: Detector, people: LabelledPeople, progress: Callable[[int, int], None] = lambda done, total: None
) -> Measured:
    """Return the errors of a detector on all people, in evaluation mode.

    Raises:
        PoseplugError: they are of another layout, or no joint is marked.
    """
    if people.skeleton != detector.skeleton:
        raise PoseplugError(f"The detector finds '{detector.skeleton.name}', the labels are '{people.skeleton.name}'.")
    if not bool(people.visible.any()):
        raise PoseplugError("No joint of these people is marked; there is nothing to compare with.")
    device = next((tensor.device for tensor in detector.state_dict().values()), torch.device("cpu"))
    errors = []
    for rows in people.batches(_BATCH):
        maps = CropMaps.of_boxes(people.box[rows], detector.crop)
        joints, _ = detector.find(people.crops(rows, maps, detector.crop, device))
        errors.append((maps.to_image(joints.cpu()) - people.joints[rows]).norm(dim=-1))
        progress(int(rows[-1]) + 1, len(people))
    error = torch.cat(errors)
    return Measured(error, error / people.box[:, 2:].amax(1, keepdim=True).clamp_min(1), people.visible)
