"""Mapping poses from one layout of joints to another: by name, and saying what is copied, made up and missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import attrs
import torch
from torch import Tensor

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.geometry.skeleton import Skeleton

# How a joint is made: shares of other joints that add up to 1. Several joints without shares mean their mean.
Shares = Mapping[str, float]
_SUM_TOLERANCE = 1e-4


def shares(made: str | Sequence[str] | Shares) -> Shares:
    """Write out how a joint is made: of a name it is a copy, of several names the mean."""
    if isinstance(made, Mapping):
        return made
    names = (made,) if isinstance(made, str) else tuple(made)
    return dict.fromkeys(names, 1 / len(names))


def _ways(made: Any) -> tuple[Shares, ...]:
    if isinstance(made, str | Mapping):
        return (shares(made),)
    if all(isinstance(name, str) for name in made):
        return (shares(made),) if made else ()
    return tuple(made)


def _in_shares(origins: Mapping[str, Any]) -> dict[str, tuple[Shares, ...]]:
    return {joint: _ways(made) for joint, made in origins.items()}


@attrs.frozen
class JointMapping:
    """Where the joints of one layout come from among those of another.

    Attributes:
        source: names of the joints at hand.
        target: names of the joints wanted.
        origins: for each target joint how it is made: the name of a source joint that is copied, several whose mean it
            is, a mapping of names to shares that add up to 1, or a sequence of such mappings, of which the first is
            taken whose joints were all found. A target joint without any is missing.

    Raises:
        PoseplugError: ``origins`` has a joint that is not in the target, or one made from a joint not in the source;
            shares do not add up to 1.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    origins: Mapping[str, tuple[Shares, ...]] = attrs.field(converter=_in_shares)

    def __attrs_post_init__(self) -> None:
        for joint, ways in self.origins.items():
            _check_known(joint, self.target)
            for way in ways:
                for name in way:
                    _check_known(name, self.source)
                if abs(sum(way.values()) - 1) > _SUM_TOLERANCE:
                    listed = ", ".join(f"{name} {share:g}" for name, share in way.items())
                    raise PoseplugError(f"Joint '{joint}' is made of {listed}; the shares must add up to 1.")

    @classmethod
    def by_name(cls, source: Skeleton, target: Skeleton, origins: Mapping[str, Any] = {}) -> Self:
        """Return the mapping that copies joints of the same name, but for those of which ``origins`` says more."""
        shared = {joint: joint for joint in target.joints if joint in source.joints}
        return cls(source.joints, target.joints, {**shared, **origins})

    @property
    def copied(self) -> dict[str, str]:
        """For each target joint that is a source joint, which one."""
        return {joint: next(iter(ways[0])) for joint, ways in self.origins.items() if ways and len(ways[0]) == 1}

    @property
    def synthesised(self) -> dict[str, tuple[str, ...]]:
        """For each target joint that is made of several source joints, which ones."""
        return {joint: tuple(ways[0]) for joint, ways in self.origins.items() if ways and len(ways[0]) > 1}

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(joint for joint in self.target if not self.origins.get(joint))

    def check_complete(self) -> None:
        """Raise PoseplugError, with both lists of joints, if a target joint is missing."""
        if self.missing:
            raise PoseplugError(
                f"There is nothing to make {', '.join(self.missing)} from: the joints wanted are "
                f"{', '.join(self.target)}; those at hand are {', '.join(self.source)}. Say for each which to take."
            )

    def __call__(self, joints: Tensor) -> Tensor:
        """Return joints [N, J_source, C] (3D or pixels) as [N, J_target, C], each made in the first of its ways.

        A joint that is copied is the same to the last bit; a NaN touches only what is made from it.

        Raises:
            PoseplugError: a target joint is missing.
        """
        self.check_complete()
        places = {joint: [self.source.index(name) for name in self.origins[joint][0]] for joint in self.target}
        mapped = joints[:, [places[joint][0] for joint in self.target]]
        for joint in self.synthesised:
            mapped[:, self.target.index(joint)] = self._made(joints, self.origins[joint][0])
        return mapped

    def found(self, joints: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor]:
        """Map joints [N, J_source, C] of which some were not found, each person's in the best ways that they allow.

        Args:
            joints: what was found; joints that were not may hold anything.
            confidence: [N, J_source], 0 for joints that were not found.

        Returns:
            joints [N, J_target, C], and their confidence [N, J_target]: of a joint made of several the lowest, and 0,
            as its coordinates are, where no way of making it was open.

        Raises:
            PoseplugError: a target joint can never be made.
        """
        self.check_complete()
        mapped = joints.new_zeros(len(joints), len(self.target), joints.shape[-1])
        known = confidence.new_zeros(len(joints), len(self.target))
        for place, joint in enumerate(self.target):
            for way in self.origins[joint]:
                sure = confidence[:, [self.source.index(name) for name in way]].amin(1)
                open_to = (known[:, place] <= 0) & (sure > 0)
                mapped[:, place] = torch.where(open_to[:, None], self._made(joints, way), mapped[:, place])
                known[:, place] = torch.where(open_to, sure, known[:, place])
        return mapped, known

    def _made(self, joints: Tensor, way: Shares) -> Tensor:
        shares = joints.new_tensor(list(way.values()))
        return (joints[:, [self.source.index(name) for name in way]] * shares[:, None]).sum(1)


def _check_known(joint: str, known: Sequence[str]) -> None:
    if joint not in known:
        raise PoseplugError(f"There is no joint '{joint}' among {', '.join(known)}.{did_you_mean(joint, known)}")
