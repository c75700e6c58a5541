"""Promises about construction, and about results on ordinary, small, large and extreme input."""

from __future__ import annotations

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.conformance.poses import BODY_21, LABELS, STAR, extreme, ordinary
from poseplug.registry.conformance.stand_ins import sees_scenes
from poseplug.registry.conformance.subject import Subject, set_training
from poseplug.registry.conformance.tensors import check_finite, send_gradient_back
from poseplug.registry.conformance.verdict import TENSORS, NotChecked, promise, require, some

_MANY, _MANY_SCENES = 4096, 16


@promise("constructs", "it can be constructed", needs=("defaults",))
def constructs(subject: Subject) -> None:
    """Construct it twice: nothing may be left over from the first time."""
    subject.build()
    subject.build(seed=1)


@promise("works", "its results have the shape, type and device of its interface", needs=("constructs", "events"))
def works(subject: Subject) -> None:
    """Use it once in training and once in evaluation."""
    subject.use_in_both_modes(subject.ready(endless=True))


@promise("sizes", f"it takes batches of 1 and of {_MANY} poses (fewer images and scenes)", kinds=TENSORS)
def sizes(subject: Subject) -> None:
    """Use it in evaluation; training batches have two poses or more. A kind may say MANY, where that is too many."""
    part = set_training(subject.ready(), False)
    with torch.no_grad():
        many = _MANY_SCENES if sees_scenes(part, subject.context()) else getattr(subject.of_kind, "MANY", _MANY)
        for n in (1, many):
            subject.use(part, ordinary(n, subject.device))


@promise("skeletons", "it is not tied to one skeleton", kinds=TENSORS)
def skeletons(subject: Subject) -> None:
    """Build it for 5 joints with the root in the middle, and for 21 with the root at the end.

    A method that has no meaning on a skeleton (it needs named parts, for example) refuses it with a PoseplugError.
    """
    if subject.kind == "source" and not subject.of_reference:
        raise NotChecked("decides its skeleton itself")
    refused, fine = [], []
    for skeleton in (STAR, BODY_21):
        try:
            part = subject.ready(skeleton)
        except PoseplugError as error:
            refused.append(f"refuses skeleton '{skeleton.name}': {error}")
            continue
        subject.use_in_both_modes(part, skeleton)
        fine.append(f"works on skeleton '{skeleton.name}'")
    if refused:
        raise NotChecked("; ".join(refused + fine))


@promise("finite", "extreme but legal input gives finite results, and finite gradients in training", kinds=TENSORS)
def finite(subject: Subject) -> None:
    """Use it on near and far people, image corners, tiny and huge images, and joints that coincide.

    A source that is made from a reference gets such poses for one. A reweighter is also fitted to few poses, of which
    one may be all there is, and then weighs poses from elsewhere.
    """
    occasion = extreme(subject.device)
    if subject.kind == "source":
        context = subject.context()
        if context.reference is not None:
            context = attrs.evolve(context, reference=PoseTable(occasion.poses, dict(LABELS)))
        samples = subject.use(subject.construct(context=context), ordinary(_MANY, subject.device))
        check_finite(samples, f"in {_MANY} samples")
        return
    part = set_training(subject.ready(), False)
    check_finite(subject.use(part, occasion), "for extreme input")
    if hasattr(subject.of_kind, "train"):
        send_gradient_back(subject.of_kind.train(part, occasion))
        gradients = {name: p.grad for name, p in part.named_parameters() if p.grad is not None}
        check_finite(gradients, "for extreme input, as gradients")
    if subject.kind == "reweighter":
        _finite_beyond_the_fit(subject)


def _finite_beyond_the_fit(subject: Subject) -> None:
    for drawn, reference in ((1, 1), (3, 240), (240, 3)):
        part = subject.build()
        try:
            subject.fit(part, *subject.tables(drawn=drawn, reference=reference))
        except PoseplugError:
            continue  # It may ask for more poses than that.
        for occasion in (ordinary(512, subject.device), extreme(subject.device)):
            fitted = f"({drawn} drawn, {reference} of the reference)"
            weights = subject.use(set_training(part, False), occasion)
            check_finite(weights, f"for other poses than it was fitted to {fitted}")


@promise("no_warnings", "it causes no warning")
def no_warnings(subject: Subject) -> None:
    """Use it once more; what was warned of while other promises were checked counts too.

    What is only printed in one place fails in another, where warnings are errors.
    """
    subject.use_in_both_modes(subject.ready(endless=True))
    require(not subject.warned, some(subject.warned))
