"""A mixture of several sources."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import PoseSource


class Mixture(PoseSource):
    """Equal parts of several sources in every batch; with 3D joints, and with images, if all of them have some.

    Each source gives as many scenes; where another has scenes, somebody alone is a scene of one.

    Raises:
        PoseplugError: the sources have different skeletons.
    """

    def __init__(self, sources: Sequence[PoseSource]) -> None:
        self.sources = tuple(sources)
        self.skeleton = sources[0].skeleton
        self.has_3d = all(source.has_3d for source in sources)
        self.has_images = all(source.has_images for source in sources)
        for source in sources[1:]:
            if source.skeleton != self.skeleton:
                raise PoseplugError(
                    f"Sources with skeletons '{self.skeleton.name}' and '{source.skeleton.name}' cannot be mixed; "
                    "give both the same 'skeleton' setting."
                )

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        counts = [n // len(self.sources) + (i < n % len(self.sources)) for i in range(len(self.sources))]
        parts = [s.sample(count, generator) for s, count in zip(self.sources, counts, strict=True) if count]
        # Class numbers of different sources do not mean the same, so a mixture has no labels.
        joined = PoseBatch.join([attrs.evolve(part, labels={}) for part in parts])
        # A batch of fewer poses than sources may have drawn from those with 3D alone.
        return joined if self.has_3d else attrs.evolve(joined, joints_3d=None)
