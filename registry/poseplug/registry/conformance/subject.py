"""The component under test: how the kit constructs it, as the engine would."""

from __future__ import annotations

import shutil
import sys
import tempfile
import traceback
import weakref
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import attrs
import torch
from torch import nn

from poseplug.core.errors import in_words
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, Component, PoseSource, Trained
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.config.read_settings import structure
from poseplug.registry.config.resolve import Part, construct, knowing
from poseplug.registry.conformance.poses import Occasion, WithoutEnd, ordinary, pose_table
from poseplug.registry.conformance.tensors import Tensors
from poseplug.registry.conformance.verdict import NotChecked
from poseplug.registry.discovery.catalogue import Entry, load_catalogue


@attrs.define(eq=False, slots=False)
class Subject:
    """A component under test; see ``Checker`` for what else it is made of.

    Attributes:
        of_kind: how components of its kind are used; see ``conformance/kinds``.
        warned: what it made Python or PyTorch warn of so far, a line each.
    """

    kind: str
    of_kind: ModuleType
    component: type[Component]
    settings: Mapping[str, Any]
    entry: Entry | None
    device: torch.device
    warned: list[str] = attrs.field(factory=list)

    def fields(self) -> list[attrs.Attribute[Any]]:
        """Return the fields of its configuration class, with their types."""
        return list(attrs.fields(attrs.resolve_types(self.component.Config)))

    @cached_property
    def config(self) -> Any:
        """The configuration that it is checked with; NotChecked if a required setting is missing.

        The component may help with ``example_settings``; see ``poseplug.registry.conformance``.
        """
        settings = dict(self.settings)
        missing = [f.name for f in self.fields() if f.default is attrs.NOTHING and f.name not in settings]
        example = getattr(self.component, "example_settings", None)
        if missing and example is None:
            raise NotChecked(f"needs {', '.join(missing)}")
        if example is not None and (missing or getattr(self.of_kind, "SMALL", False)):
            folder = tempfile.mkdtemp(prefix="poseplug-check-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            settings = {**example(Path(folder)), **settings}
        return structure(self.component.Config, settings, f"{self.kind} '{self.component.__name__}'")

    @property
    def of_reference(self) -> bool:
        """Whether it is a source that is made from a reference, with the settings that it is checked with."""
        return issubclass(self.component, PoseSource) and self.component.needs_reference_with(self.config)

    def context(self, skeleton: Skeleton = H36M_16) -> BuildContext:
        """Return a context for construction.

        Only sources and what is built for training may see reference poses; lifter and root estimator of a finished run
        and its metrics are built without. A source that is not made from a reference comes first in a run and decides
        the skeleton.
        """
        context = BuildContext(skeleton=skeleton, device=self.device, seed=3)
        if self.kind not in ("lifter", "root", "metric", "detector"):
            context = attrs.evolve(context, reference=pose_table(240, skeleton, self.device, seed=1))
        if self.kind == "source" and not self.of_reference:
            context = attrs.evolve(context, skeleton=None, reference=None)
        return knowing(context, load_catalogue())

    def construct(self, config: Any = None, context: BuildContext | None = None) -> Any:
        """Call the constructor, and do nothing else."""
        part = Part("", self.component, self.config if config is None else config)
        return construct(part, context or self.context())

    def build(self, skeleton: Skeleton = H36M_16, config: Any = None, seed: int = 0) -> Any:
        """Construct the component with seeded initial weights, and move a module to the device."""
        torch.manual_seed(seed)
        part = self.construct(config, self.context(skeleton))
        return part.to(self.device) if isinstance(part, nn.Module) else part

    def ready(self, skeleton: Skeleton = H36M_16, config: Any = None, seed: int = 0, endless: bool = False) -> Any:
        """Build the component and do what comes once before training: begin the first phase, fit.

        With ``endless`` a reweighter is fitted to drawn poses without end.
        """
        part = self.build(skeleton, config, seed)
        if isinstance(part, Trained):
            part.begin_phase(frozenset(part.parameter_groups()))
        if self.kind == "reweighter":
            drawn, reference = self.tables(skeleton)
            self.fit(part, WithoutEnd(drawn) if endless else drawn, reference)
        return part

    def tables(self, skeleton: Skeleton = H36M_16, drawn: int = 240, reference: int = 240) -> tuple[PoseTable, ...]:
        """Return drawn and reference poses, so many of each, to fit a reweighter to."""
        return pose_table(drawn, skeleton, self.device, 8), pose_table(reference, skeleton, self.device, 9)

    def fit(self, part: Any, drawn: PoseSource, reference: PoseSource) -> None:
        """Fit a reweighter as the engine does."""
        with torch.no_grad():
            part.fit(drawn, reference, torch.Generator(self.device).manual_seed(4))

    def use(self, part: Any, occasion: Occasion | None = None) -> Tensors:
        """Use the component once, as the engine would; on 8 ordinary poses where no others are given."""
        return cast(Tensors, self.of_kind.use(part, occasion or ordinary(8, self.device)))

    def use_in_both_modes(self, part: Any, skeleton: Skeleton = H36M_16) -> None:
        """Use the component once in training and once in evaluation."""
        for training in (True, False):
            self.use(set_training(part, training), ordinary(8, self.device, skeleton))

    def describe(self, error: BaseException) -> str:
        """Return an error in one line, with the last place in the component's own folder that led to it."""
        return self.located(in_words(error), traceback.extract_tb(error.__traceback__))

    def located(self, message: Warning | str, stack: traceback.StackSummary) -> str:
        """Return a message's first line, with the innermost place in the component's own folder, or of all."""
        line = next(iter(str(message).strip().splitlines()), "no message")
        frames = self.own_frames(stack) or stack
        return f"{line} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else line

    def own_frames(self, stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
        """Return the frames that are in the folder of the component's module, outermost first."""
        file = getattr(sys.modules.get(self.component.__module__), "__file__", None)
        return [frame for frame in stack if file and Path(frame.filename).is_relative_to(Path(file).parent)]


def set_training(part: Any, training: bool) -> Any:
    """Put a module into training or evaluation mode; return the part."""
    if isinstance(part, nn.Module):
        part.train(training)
    return part
