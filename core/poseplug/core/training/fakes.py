"""What discriminators are to tell from real poses."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from poseplug.core.data.batch import PoseBatch
from poseplug.core.data.normalise import extents


def join_fakes(one: Mapping[str, PoseBatch], other: Mapping[str, PoseBatch]) -> dict[str, PoseBatch]:
    """Return all fakes for each discriminator, each pose with the extent that it is seen with."""
    both = {name: _with_extents(one[name], other[name]) for name in one if name in other}
    return {**one, **other, **both}


def _with_extents(one: PoseBatch, other: PoseBatch) -> PoseBatch:
    if one.extent is not None or other.extent is not None:
        one, other = (
            attrs.evolve(batch, extent=extents(batch.joints_2d, batch.skeleton.root)) if batch.extent is None else batch
            for batch in (one, other)
        )
    return PoseBatch.join([one, other])
