"""Metric: what can be measured of predictions, and the comparison with the truth that it is measured on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import attrs
import torch
from torch import Tensor

from poseplug.core.data.found import Found, Matching
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.evaluation.joint_errors import MILLIMETRES, joint_errors
from poseplug.core.evaluation.protocol import Protocol
from poseplug.core.geometry.procrustes import alignment_errors
from poseplug.core.interfaces import BuildContext, Component

Over = Literal["matched", "people"]


@attrs.frozen(eq=False, slots=False)
class Comparison:
    """Predicted poses beside the true ones; what several metrics need is computed once, when it is first asked for.

    Of the J joints the protocol counts K: all, or all but the root.

    Attributes:
        predicted: [N, J, 3] predicted joints, the predicted root at the origin, metres; NaN for who was not found.
        truth: the true poses.
        protocol: how they are to be compared.
        roots: [N, 3] predicted absolute roots in the camera frame, metres; None where none are predicted.
        found: where people were searched for, whom was found, lifted; None where everybody is given.
        matching: who of them is who.
    """

    predicted: Tensor
    truth: PoseBatch
    protocol: Protocol
    roots: Tensor | None = None
    found: Found | None = None
    matching: Matching | None = None

    @classmethod
    def of_found(cls, found: Found, matching: Matching, truth: PoseBatch, protocol: Protocol) -> Self:
        """Compare true people with the lifted ones that were found and matched with them."""
        assert found.joints_3d is not None, "lifted"

        def of_people(values: Tensor) -> Tensor:
            # The row of whom nobody matched, -1, is the last.
            return torch.cat([values, values.new_full((1, *values.shape[1:]), torch.nan)])[matching.of_people]

        joints, index = of_people(found.joints_3d), truth.skeleton.root
        return cls(joints - joints[:, index : index + 1], truth, protocol, of_people(found.root), found, matching)

    @cached_property
    def target(self) -> Tensor:
        """[N, J, 3] true joints, the true root at the origin, metres."""
        return self.truth.root_relative

    @cached_property
    def absolute(self) -> Tensor:
        """[N, J, 3] predicted joints in the camera frame, metres; ValueError where no roots are predicted."""
        if self.roots is None:
            raise ValueError("no roots were predicted; a metric of absolute positions declares needs_root = True")
        return self.predicted + self.roots[:, None]

    def counted(self, values: Tensor) -> Tensor:
        """Return of values [N, J, ...] those of the joints that the protocol counts, [N, K, ...]."""
        return self._without_root(values) if self.protocol.root == "excluded" else values

    @cached_property
    def errors(self) -> Tensor:
        """[N, K] distances in mm between predicted and true joints."""
        return joint_errors(self.counted(self.predicted), self.counted(self.target))

    @cached_property
    def aligned_errors(self) -> Tensor:
        """[N, J] distances in mm that remain after the alignment that the protocol allows.

        [N, J - 1] where the root is not aligned.
        """
        return self.mirrored_errors if self.protocol.reflection else self._align(reflection=False)

    @cached_property
    def mirrored_errors(self) -> Tensor:
        """The same after an alignment that may also mirror."""
        return self._align(reflection=True)

    def _align(self, *, reflection: bool) -> Tensor:
        poses = self.predicted, self.target
        if self.protocol.root != "counted":
            poses = self._without_root(self.predicted), self._without_root(self.target)
        return alignment_errors(*poses, scale=self.protocol.scale, reflection=reflection) * MILLIMETRES

    def _without_root(self, values: Tensor) -> Tensor:
        """Return values without the root's; slices, unlike an index, need nothing copied to the device."""
        root = self.truth.skeleton.root
        return torch.cat([values[:, :root], values[:, root + 1 :]], 1)


class Metric(Component, ABC):
    """How good are predictions, in one figure or several?

    Attributes:
        needs_root: whether it measures absolute positions; it is left out of runs that predict no roots.
        needs_found: whether it says something only where people are searched for; it is left out of other runs.
        over: whose figures are averaged where people are searched for: those of "matched" people, or of all "people",
            of whom those who were not found have 0, as suits shares. Where everybody is given, it is all people.
    """

    needs_root: ClassVar[bool] = False
    needs_found: ClassVar[bool] = False
    over: ClassVar[Over] = "matched"

    def __init__(self, config: Any, context: BuildContext) -> None:
        """Most metrics have nothing to keep."""

    @abstractmethod
    def measure(self, comparison: Comparison) -> Mapping[str, Tensor]:
        """Return figures by name: of each pose [N], or of each of its joints [N, J] (or [N, J - 1], without the root).

        A name ends with ``_mm`` where the figure is in millimetres; else it is in per cent. Each pose is measured by
        itself, and one whose prediction is NaN has NaN for its figures. Means are the core's: over the joints that the
        protocol counts, over poses and per action. Figures stay on the device and do not wait for it.
        """

    def heading(self, figure: str) -> str:
        """Return how tables call a figure; "" leaves it out of them."""
        return default_heading(figure)


def default_heading(figure: str) -> str:
    """Return how tables call a figure of which nothing else is known: "p_mpjpe_mm" is "P-MPJPE"."""
    return figure.removesuffix("_mm").replace("_", "-").upper()
