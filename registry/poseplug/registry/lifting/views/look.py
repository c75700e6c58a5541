"""How people are shown to the lifter, and what is to be said of them before."""

from __future__ import annotations

import torch
from torch import Tensor

from poseplug.core.data.normalise import Normalisation
from poseplug.core.errors import PoseplugError
from poseplug.core.models.input_range import InputRange
from poseplug.registry.lifting.lift_block import Job
from poseplug.registry.lifting.pictures.choice import evenly
from poseplug.registry.lifting.views import unlike

# So many people are looked at to see whether they are like those of the training.
_LOOKED_AT = 4096


def look(job: Job) -> tuple[list[str], str, str]:
    """Return warnings, the view that is taken, and a sentence on it."""
    people, skeleton, seen = job.people, job.model.skeleton, job.range
    joints, confidence, sizes = people.table.read(evenly(people.order, _LOOKED_AT), "joints", "confidence", "size")
    pixels, found = torch.from_numpy(joints).double(), torch.from_numpy(confidence > 0)
    camera = job.rule.cameras(torch.from_numpy(sizes))
    warned = unlike.warnings(pixels, found, camera, seen, skeleton)
    asked = job.settings.view
    if seen is None:
        if asked == "centred":
            raise PoseplugError(
                "--view centred needs to know what the lifter saw in training, which this run has not noted and which "
                "cannot be found out without its data; use --view given."
            )
        return warned, "given", "view: as given; the run has not noted what its lifter saw in training"
    share = unlike.outside_share(pixels, found, camera, seen, skeleton)
    outside = f"{share:.0%} of the people are of a size or in a place that the lifter did not see in training"
    if asked == "auto":
        other_pixels = job.model.normaliser.kind is Normalisation.STANDARDISED and _other_size(camera.size, seen)
        if unlike.too_far_out(share) or other_pixels:
            reason = outside if unlike.too_far_out(share) else "images have another size than in training"
            return warned, "centred", f"view: centred on each person, since {reason} (--view given: as they are)"
        return warned, "given", "view: as given, like in training"
    if asked == "given" and unlike.too_far_out(share):
        warned.append(f"{outside}; --view centred shows them to it as in training")
    return warned, asked, "view: as given" if asked == "given" else "view: centred on each person"


def _other_size(image: Tensor, seen: InputRange) -> bool:
    return bool(((image - image.new_tensor(seen.image)).abs() > 1).any())
