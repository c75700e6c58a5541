"""From labelled images to a folder with a trained detector, and from that to its errors."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import tomli_w
import torch

from poseplug.core.detection.augmentation import CropChanges
from poseplug.core.detection.labels import LabelledPeople, read_labels
from poseplug.core.detection.measuring import measure
from poseplug.core.detection.stored import DetectorFolder
from poseplug.core.detection.training import DetectorTrainer, DetectorTraining
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import layout as named_layout
from poseplug.core.geometry.own_layout import find_layout
from poseplug.registry.config.read_settings import unstructure
from poseplug.registry.detection.opened import OpenedDetector, build_detector
from poseplug.registry.discovery.attribution import blaming
from poseplug.registry.discovery.catalogue import Catalogue

# How many of the people that it was trained on a finished detector is measured on.
_MEASURED = 256


@attrs.frozen(kw_only=True)
class Labels:
    """Which labels are read, and how.

    Attributes:
        path: annotations as COCO's.
        folder: the images.
        skeleton: their layout where they do not say: a name, or a TOML file.
        layout: the layout that is to be found; "" that of the labels, or the detector's.
        made: how joints of it are made, as ``map_layout`` takes it.
    """

    path: Path
    folder: Path
    skeleton: str = ""
    layout: str = ""
    made: Mapping[str, Any] = attrs.field(factory=dict)

    def read(self, layout: Any = None) -> LabelledPeople:
        """Return the people; raise PoseplugError as ``read_labels`` does."""
        own = find_layout(self.skeleton) if self.skeleton else None
        wanted = layout or (named_layout(self.layout) if self.layout else None)
        made = {**(own.made if own else {}), **self.made}
        absent = [joint for joint, of in made.items() if of is None]
        if absent:
            raise PoseplugError(f"--map {absent[0]}=none: a detector learns every joint of its layout; leave it out.")
        return read_labels(self.path, self.folder, skeleton=own.skeleton if own else None, layout=wanted, made=made)


@attrs.frozen(kw_only=True)
class Asked:
    """A training that was asked for.

    Attributes:
        detector: NAME[:key=value,...].
        labels: whom it learns from.
        training, changes: how.
    """

    detector: str
    labels: Labels
    training: DetectorTraining
    changes: CropChanges = attrs.field(factory=CropChanges)

    def prepare(self, catalogue: Catalogue, device: torch.device) -> tuple[OpenedDetector, DetectorTrainer]:
        """Read the labels, build the detector, and return it with what trains it.

        Raises:
            PoseplugError: see ``read_labels`` and ``build_detector``.
        """
        people = self.labels.read()
        opened = build_detector(self.detector, catalogue, device, people.skeleton, self.training.seed)
        return opened, DetectorTrainer(opened.detector, people, self.training, self.changes)


@blaming
def rehearse(asked: Asked, catalogue: Catalogue, device: torch.device) -> OpenedDetector:
    """Take one step with two people, and forget it; raise PoseplugError if that cannot be."""
    few = attrs.evolve(asked, training=attrs.evolve(asked.training, steps=1, batch_size=2))
    opened, trainer = few.prepare(catalogue, device)
    trainer.run()
    return opened


@blaming
def train(
    asked: Asked,
    catalogue: Catalogue,
    device: torch.device,
    out: Path,
    *,
    resume: bool = False,
    began: Callable[[OpenedDetector, DetectorTrainer], None] = lambda opened, trainer: None,
) -> dict[str, Any]:
    """Train into a folder; return the result, which is also in its ``result.json``.

    Args:
        asked: what is trained, and how.
        catalogue: what is installed.
        device: where to compute.
        out: the folder.
        resume: go on from its checkpoint.
        began: is called before the first step.

    Raises:
        PoseplugError: the folder is not free, or with ``resume`` has no state of this training.
        Interrupted: the trainer was asked to stop; ``resume`` goes on.
    """
    folder = DetectorFolder(out)
    stored = folder.read_about() if resume else None
    if stored is None:
        folder.check_free()
    opened, trainer = asked.prepare(catalogue, device)
    table = {
        "detector": opened.table(),
        "layout": opened.detector.skeleton.name,
        "labels": {"path": str(asked.labels.path.absolute()), "images": str(asked.labels.folder.absolute())},
        "training": unstructure(asked.training),
        "changes": unstructure(asked.changes),
    }
    trainer.checkpoint = folder.checkpoint
    folder.clean()
    if stored is None:
        folder.write_about(table)
    else:
        written = tomllib.loads(tomli_w.dumps(table))
        differing = sorted(key for key in written if key != "labels" and stored.get(key) != written[key])
        if differing:
            raise PoseplugError(
                f"'{out}' was begun with another {' and '.join(differing)}; say what its detector.toml says."
            )
        trainer.load()
    began(opened, trainer)
    losses = trainer.run()
    joints = opened.detector.skeleton.joints
    result = {
        "detector": opened.name,
        "layout": opened.detector.skeleton.name,
        "steps": trainer.step,
        "seconds": round(trainer.seconds, 3),
        "losses": losses,
        "on_training_people": measure(opened.detector, _first(trainer.people, _MEASURED)).summary(joints),
    }
    folder.save(opened.detector, result)
    return result


def _first(people: LabelledPeople, count: int) -> LabelledPeople:
    rows = slice(0, count)
    return attrs.evolve(
        people, image=people.image[rows], joints=people.joints[rows], visible=people.visible[rows], box=people.box[rows]
    )


@blaming
def evaluate(
    detector: str,
    labels: Labels,
    catalogue: Catalogue,
    device: torch.device,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Return the errors of a trained detector on labelled people, ready for JSON.

    Raises:
        PoseplugError: see ``read_labels`` and ``build_detector``; it has no trained weights.
    """
    opened = build_detector(detector, catalogue, device)
    if opened.detector.untrained:
        raise PoseplugError(f"Detector '{detector}' cannot find joints yet: {opened.detector.untrained}.")
    people = labels.read(opened.detector.skeleton)
    found = measure(opened.detector, people, progress).summary(people.skeleton.joints)
    return {"detector": detector, "labels": str(labels.path), "layout": people.skeleton.name, **found}
