"""What pose sources promise besides what every component does."""

from __future__ import annotations

from typing import Any

import attrs
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import FiniteSource, PoseSource
from poseplug.registry.conformance.poses import Occasion, ordinary
from poseplug.registry.conformance.randomness import seed_globally
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import Tensors, check_equal, check_poses, tensors_of
from poseplug.registry.conformance.verdict import Broken, NotChecked, promise, require


def use(part: Any, occasion: Occasion) -> Tensors:
    """Draw as many poses, or scenes, as the occasion has poses, and check their form."""
    batch = _valid(
        part.sample(len(occasion.poses), occasion.generator),
        len(occasion.poses),
        part,
        occasion.poses.device,
        "sample(n)",
    )
    pictured = batch.places.image is not None
    require(
        pictured == part.has_images,
        f"has_images is {part.has_images}, but images are {'' if pictured else 'not '}given",
    )
    given = batch.joints_3d is not None
    require(given == part.has_3d, f"has_3d is {part.has_3d}, but joints_3d is {'given' if given else 'None'}")
    return tensors_of(batch)


def _valid(batch: Any, n: int, part: PoseSource, device: torch.device, what: str) -> PoseBatch:
    """Return the batch if it is a valid one of n poses, or of n scenes with all their people; raise Broken otherwise.

    Scenes of a source are never drawn apart; how many people these are is the source's own affair.
    """
    together = isinstance(batch, PoseBatch) and batch.scenes is not None
    found = check_poses(batch, len(batch) if together else n, part.skeleton, device, what)
    require(found.num_scenes == n, f"{what} has {found.num_scenes} scenes; expected {n}")
    return found


def _sampled(part: PoseSource, subject: Subject, n: int = 64) -> PoseBatch:
    seed_globally(7)
    return part.sample(n, ordinary(1, subject.device).generator)


@promise("projection", "3D joints are in front of their camera, and joints_2d is their exact projection")
def projection(subject: Subject) -> None:
    """Compare joints_2d with the camera's own projection, with every setting called "...noise..." at zero.

    A source whose 2D joints were measured (detections, annotations) says so: it has an attribute
    ``measured_2d = True``, and only its depths are looked at.
    """
    noises = [field.name for field in subject.fields() if "noise" in field.name and field.type in (int, float)]
    part = subject.ready(config=attrs.evolve(subject.config, **dict.fromkeys(noises, 0)))
    batch = _sampled(part, subject, 512)
    if batch.joints_3d is None:
        raise NotChecked("gives 2D only")
    joints, pixels = batch.joints_3d.detach(), batch.joints_2d.detach()
    depth = float(joints[..., 2].min())
    require(depth > 0, f"a joint has the depth {depth:.3f} m; expected all in front of the camera")
    if not getattr(part, "measured_2d", False):
        error = float((batch.camera.project(joints) - pixels).abs().max())
        require(error < 0.05, f"joints_2d are up to {error:.2f} pixels away from the projection of joints_3d")


@promise(
    "order", "a finite source gives len(source) poses, or whole scenes, in the same order every time", needs=("seeded",)
)
def order(subject: Subject) -> None:
    """Go through the poses twice, in chunks of different sizes."""
    part = subject.ready()
    if not isinstance(part, FiniteSource):
        raise NotChecked("an endless source")
    first = PoseBatch.join(list(part.batches(4096)))
    other = 3000 if first.scenes is None else len(part) // 2 + 1  # what is torn apart between two chunks is seen
    second = PoseBatch.join(list(part.batches(other)))
    _valid(first, len(part), part, subject.device, f"all batches, len(source) = {len(part)},")
    check_equal(tensors_of(first), tensors_of(second), "two passes over batches differ")


@promise("labels", "label_names names every class of every label in its batches")
def labels(subject: Subject) -> None:
    """Compare the labels of a sample with label_names."""
    part = subject.ready()
    batch = _sampled(part, subject)
    unnamed = sorted(batch.labels.keys() ^ part.label_names.keys())
    require(not unnamed, f"label '{unnamed[0] if unnamed else ''}' is in batches or in label_names, but not in both")
    for name, classes in batch.labels.items():
        low, high = int(classes.min()), int(classes.max())
        if low < 0 or high >= len(part.label_names[name]):
            raise Broken(f"label '{name}' has classes {low} to {high}, label_names has {len(part.label_names[name])}")


@promise("stateless", "what it draws depends on the generator, not on what it drew before", needs=("seeded",))
def stateless(subject: Subject) -> None:
    """Draw from one instance twice with equal generators: a resumed run must go on where it was."""
    part = subject.ready()
    first, second = (tensors_of(_sampled(part, subject)) for _ in range(2))
    check_equal(first, second, "equal generators gave different poses the second time")
