"""Mapping poses from one layout of joints to another: by name, and saying what is copied, made up and missing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Self

import attrs
from torch import Tensor

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.geometry.skeleton import Skeleton


@attrs.frozen
class JointMapping:
    """Where the joints of one layout come from among those of another.

    Attributes:
        source: names of the joints at hand.
        target: names of the joints wanted.
        origins: for each target joint the source joints whose mean it is: one if it is copied, several if it is
            synthesised; a target joint without any is missing.

    Raises:
        PoseplugError: ``origins`` has a joint that is not in the target, or one made from a joint not in the source.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    origins: Mapping[str, tuple[str, ...]]

    def __attrs_post_init__(self) -> None:
        for asked, known in ((self.origins, self.target), (chain(*self.origins.values()), self.source)):
            for joint in asked:
                if joint not in known:
                    hint = did_you_mean(joint, known)
                    raise PoseplugError(f"There is no joint '{joint}' among {', '.join(known)}.{hint}")

    @classmethod
    def by_name(cls, source: Skeleton, target: Skeleton, origins: Mapping[str, tuple[str, ...]] = {}) -> Self:
        """Return the mapping that copies joints of the same name, but for those of which ``origins`` says more."""
        shared = {joint: (joint,) for joint in target.joints if joint in source.joints}
        return cls(source.joints, target.joints, {**shared, **origins})

    @property
    def copied(self) -> dict[str, str]:
        """For each target joint that is a source joint, which one."""
        return {joint: made[0] for joint, made in self.origins.items() if len(made) == 1}

    @property
    def synthesised(self) -> dict[str, tuple[str, ...]]:
        """For each target joint that is the mean of several source joints, which ones."""
        return {joint: made for joint, made in self.origins.items() if len(made) > 1}

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(joint for joint in self.target if not self.origins.get(joint))

    def __call__(self, joints: Tensor) -> Tensor:
        """Return joints [N, J_source, C] (3D or pixels) as [N, J_target, C].

        A joint that is copied is the same to the last bit; a NaN touches only what is made from it.

        Raises:
            PoseplugError: a target joint is missing.
        """
        if self.missing:
            raise PoseplugError(
                f"There is nothing to make {', '.join(self.missing)} from: the joints wanted are "
                f"{', '.join(self.target)}; those at hand are {', '.join(self.source)}. Say for each which to take."
            )
        places = {joint: [self.source.index(name) for name in made] for joint, made in self.origins.items()}
        mapped = joints[:, [places[joint][0] for joint in self.target]]
        for joint in self.synthesised:
            mapped[:, self.target.index(joint)] = joints[:, places[joint]].mean(1)
        return mapped
