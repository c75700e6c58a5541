"""What metrics promise besides what every component does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import torch

from poseplug.core.data.found import Found, Matching
from poseplug.core.evaluation.metric import Comparison
from poseplug.core.evaluation.protocol import PROTOCOLS, Protocol
from poseplug.registry.conformance.poses import Occasion, ordinary
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import Tensors, check_finite, check_rows, check_tensor, watch
from poseplug.registry.conformance.verdict import promise, require, some


def use(part: Any, occasion: Occasion) -> Tensors:
    """Compare poses with others that are taken for predictions, under every protocol, and check the figures' form."""
    return {
        f"{figure}, protocol {name}": values
        for name, protocol in PROTOCOLS.items()
        for figure, values in _figures(part, _comparison(part, occasion, protocol)).items()
    }


def _comparison(part: Any, occasion: Occasion, protocol: Protocol = PROTOCOLS["default"]) -> Comparison:
    if part.needs_found:
        others, rows = occasion.others, torch.arange(len(occasion.others), device=occasion.others.device)
        sure = torch.ones(len(rows), device=rows.device)
        found = Found(rows, others.root, sure, joints_3d=others.absolute, most=len(rows))
        return Comparison.of_found(found, Matching(rows, rows), occasion.poses, protocol)
    roots = occasion.others.root if part.needs_root else None
    return Comparison(occasion.others.root_relative, occasion.poses, protocol, roots)


def _figures(part: Any, comparison: Comparison) -> Tensors:
    figures = part.measure(comparison)
    require(isinstance(figures, Mapping), f"measure returned a {type(figures).__name__}; expected figures by name")
    require(figures, "measure returned no figure")
    n, joints, device = len(comparison.truth), comparison.truth.skeleton.num_joints, comparison.predicted.device
    for name, values in figures.items():
        shape = getattr(values, "shape", ())
        check_tensor(values, shape if shape in ((n, joints), (n, joints - 1)) else (n,), device, f"figure '{name}'")
    return dict(figures)


@promise("headings", "each of its figures has a heading of one line, or none to stay out of tables")
def headings(subject: Subject) -> None:
    """Ask for the heading of every figure."""
    part = subject.ready()
    for name in _figures(part, _comparison(part, ordinary(8, subject.device))):
        heading = part.heading(name)
        require(isinstance(heading, str), f"the heading of '{name}' is a {type(heading).__name__}; expected text")
        require("\n" not in heading, f"the heading of '{name}' has several lines; expected one")


@promise("independence", "a pose is measured alike whatever else is in the batch", needs=("seeded",))
def independence(subject: Subject) -> None:
    """Measure 16 poses together, and again eight at a time in another order."""
    part, occasion = subject.ready(), ordinary(16, subject.device)
    check_rows(lambda seen: _figures(part, _comparison(part, seen)), occasion, "the same poses in other batches differ")


@promise(
    "nan",
    "a prediction that is no number has figures that are none, and a perfect one is finite",
    needs=("independence",),
)
def nan(subject: Subject) -> None:
    """Take the truth itself for prediction, all but one pose, which is NaN."""
    part, occasion = subject.ready(), ordinary(8, subject.device)
    truth = occasion.poses.absolute.clone()
    truth[3] = float("nan")
    occasion = attrs.evolve(occasion, others=attrs.evolve(occasion.poses, joints_3d=truth))
    figures = _figures(part, _comparison(part, occasion))
    hidden = [name for name, values in figures.items() if not values[3].isnan().all()]
    require(not hidden, f"a prediction that is NaN gives numbers for {some(hidden)}")
    perfect = torch.tensor([0, 1, 2, 4, 5, 6, 7], device=subject.device)
    check_finite({name: values[perfect] for name, values in figures.items()}, "for perfect predictions beside a NaN")


@promise("shared", "it does not change what it shares with other metrics")
def shared(subject: Subject) -> None:
    """Compare what a comparison computes once, before and after."""
    part = subject.ready()
    comparison = _comparison(part, ordinary(8, subject.device))
    names = ("predicted", "target", "errors", "aligned_errors", "mirrored_errors")
    check_unchanged = watch({name: getattr(comparison, name) for name in (*names, *["absolute"] * part.needs_root)})
    part.measure(comparison)
    check_unchanged()
