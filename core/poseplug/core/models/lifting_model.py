"""LiftingModel: a lifter with its inputs and the head of its output: what a finished run is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.data.found import Found
from poseplug.core.data.normalise import Normaliser
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import FOUND, ROOTS, InputProvider, Lifter, OutputHead, RootEstimator
from poseplug.core.models.inputs import Inputs, MatchedRoots, PredictedRoots, standard_inputs
from poseplug.core.models.modes import evaluating
from poseplug.core.tensors import constant


class LiftingModel(nn.Module):
    """Lifts the people of a batch, and finds where they are if it has a root estimator.

    Args:
        skeleton: the layout that the lifter was built for.
        head: the output head that the objective declares. It is then shown what the lifter returns; otherwise poses, as
            the lifter's own head makes them.
        inputs: what makes the inputs that lifter and root estimator read; by default those that follow from any batch.

    Raises:
        PoseplugError: the lifter refines roots, and the objective reads something else than joints from its output.
    """

    _place: Tensor

    def __init__(
        self,
        lifter: Lifter,
        skeleton: Skeleton,
        root: RootEstimator | None = None,
        head: OutputHead | None = None,
        inputs: Mapping[str, InputProvider | Sequence[InputProvider]] | None = None,
    ) -> None:
        super().__init__()
        self.lifter = lifter
        self.skeleton = skeleton
        self.normaliser = Normaliser(lifter.normalisation, skeleton.num_joints)
        self.root = root
        if head is not None and lifter.refines_root:
            raise PoseplugError(
                f"{type(lifter).__name__} refines roots, and the objective trains it on something else than joints "
                "about them; choose another objective, such as supervised, or another lifter."
            )
        self.head = head or lifter.output_head(skeleton)
        self._trained_as_returned = head is not None
        providers = standard_inputs() if inputs is None else dict(inputs)
        if root is not None and root.finds:
            providers |= {FOUND: PredictedRoots(root), ROOTS: MatchedRoots(root)}
        elif root is not None:
            providers |= {ROOTS: PredictedRoots(root)}
        self.inputs = Inputs(providers)
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where it lives, also if nothing in it has parameters."""
        return self._place.device

    @property
    def finds(self) -> bool:
        """Whether it searches scenes for people; see ``find``. Otherwise it places each person that it is given."""
        return self.root is not None and self.root.finds

    @property
    def sees_scenes(self) -> bool:
        """Whether lifter or root estimator read inputs of whole scenes, which take much more memory than a person."""
        reads = self.lifter.reads | (frozenset() if self.root is None else self.root.reads)
        return bool(self.inputs.of_scenes(reads))

    def forward(self, batch: PoseBatch) -> Tensor:
        """Return what the lifter is trained on, [N, J, 3]: joints in metres, or what its objective reads.

        Of a lifter that refines roots, joints are about the true root where there is one: the error of the root that it
        was given is part of what it is trained on.
        """
        output = self._lift(batch)
        if self._trained_as_returned:
            return output
        joints: Tensor = self.head(batch, output)
        if self.lifter.refines_root and batch.joints_3d is not None:
            joints = joints + (self._roots(batch) - batch.root)[:, None]
        return joints

    def _lift(self, batch: PoseBatch) -> Tensor:
        inputs = self.inputs.read(self.lifter.reads - {ROOTS}, batch)
        if ROOTS in self.lifter.reads:  # the lifter's error does not train the root estimator
            inputs[ROOTS] = self._roots(batch)
        output: Tensor = self.lifter(self.normaliser(batch), **inputs)
        return output

    def _roots(self, batch: PoseBatch) -> Tensor:
        roots: Tensor = self.inputs.read([ROOTS], batch)[ROOTS]
        return roots.detach()

    def estimate(self, batch: PoseBatch) -> Any:
        """Return what the root estimator says of a batch: roots [N, 3] in metres, or ``Found`` people; None without."""
        if self.root is None:
            return None
        name = FOUND if self.finds else ROOTS
        return self.inputs.read([name], batch)[name]

    def predict(self, batch: PoseBatch, flip: bool = False) -> Tensor:
        """Return root-relative joints [N, J, 3], metres.

        Args:
            batch: people to lift; only what the lifter reads is looked at.
            flip: average with the prediction for the mirrored input.
        """
        return self._relative(batch, self.head(batch, self._lift(batch)), flip)

    def place(self, batch: PoseBatch, flip: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return root-relative joints [N, J, 3] and absolute roots [N, 3], metres; None where nothing predicts roots.

        A lifter that refines roots says where they are, otherwise the root estimator does. For one that searches see
        ``find``; the batch must then tell where people were found.
        """
        joints = self.head(batch, self._lift(batch))
        roots = None if self.root is None else self._roots(batch)
        if roots is not None and self.lifter.refines_root:
            roots = roots + joints[:, self.skeleton.root]
        return self._relative(batch, joints, flip), roots

    def _relative(self, batch: PoseBatch, joints: Tensor, flip: bool) -> Tensor:
        """Return joints [N, J, 3] about their root; with ``flip`` their mean with those of the mirrored batch."""
        index = self.skeleton.root
        joints = joints - joints[:, index : index + 1]
        if not flip:
            return joints
        sides, mirror = constant((-1.0, 1.0, 1.0), joints.device, joints.dtype), batch.mirrored()
        mirrored: Tensor = self.head(mirror, self._lift(mirror))[:, list(self.skeleton.flip_index)]
        return (joints + (mirrored - mirrored[:, index : index + 1]) * sides) / 2

    def find(self, batch: PoseBatch, keep: Callable[[Found], Tensor] = lambda found: found.score > 0) -> Found:
        """Return the people that the root estimator finds in the scenes of a batch, lifted.

        Args:
            batch: scenes; of the people in them only inputs are made, where these are made of people.
            keep: which found people [M] are kept; only they are lifted. Waits for the device.

        Raises:
            PoseplugError: the root estimator does not search, or finds no key points and the lifter reads some.
        """
        if self.root is None or not self.root.finds:
            raise PoseplugError("This model searches for nobody: it places the people that it is given.")
        with self.inputs.shared():
            found: Found = self.estimate(batch)
            found = found.select(keep(found))
            places = batch.places
            joints_2d = found.joints_2d
            if joints_2d is None:
                if self.lifter.normalisation is not None:
                    raise PoseplugError(
                        f"{type(self.lifter).__name__} reads key points, and {type(self.root).__name__} finds people "
                        "without any; choose another lifter or root estimator."
                    )
                joints_2d = found.root.new_zeros(len(found), self.skeleton.num_joints, 2)
            if not len(found):  # not every lifter can do without anybody
                return attrs.evolve(found, joints_2d=joints_2d, joints_3d=joints_2d.new_zeros(*joints_2d.shape[:2], 3))
            crowd = attrs.evolve(places, most=found.most)
            people = PoseBatch(
                batch.skeleton, joints_2d, places.camera.select(found.scene), scene=found.scene, scenes=crowd
            )
            self.inputs.carry(batch, people)
            self.inputs.give("scenes", people, crowd)
            self.inputs.give(ROOTS, people, found.root)
            joints, roots = self.place(people)
        assert roots is not None, "it finds"
        return attrs.evolve(found, root=roots, joints_2d=joints_2d, joints_3d=joints + roots[:, None])

    @torch.no_grad()
    def calibrate(self, batch: PoseBatch) -> Mapping[str, Tensor]:
        """Calibrate the output head with labelled poses, in evaluation mode; see ``OutputHead.calibrate``."""
        with evaluating(self):
            return self.head.calibrate(batch, self._lift(batch))
