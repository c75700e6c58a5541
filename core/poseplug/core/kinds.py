"""The table of kinds: what components there can be, and which places in a run they take. Imports nothing heavy.

Everything that differs from kind to kind by name alone is read from this table: the hooks that plugins implement, the
flags of the command line, the form of experiments, what listings and checks go through. A new kind is an entry here,
its interface, the folder ``registry/scaffold/templates/KIND``, and ``registry/conformance/kinds/KIND.py``; a further
example of a kind is its name there and such a folder.
"""

from __future__ import annotations

import importlib
from typing import Any, Literal

import attrs

from poseplug.core.errors import PoseplugError, did_you_mean

Arity = Literal["one", "several", "labelled"]


@attrs.frozen
class Slot:
    """A place in an experiment that a component can take; in a run without one, nothing is there.

    Attributes:
        kind: the components that fit.
        name: what experiments call it.
        flag: what the command line calls it.
        help: what the command line says of it.
        arity: whether it takes "one" component, "several" in order, or several that are "labelled".
    """

    kind: str
    name: str
    flag: str
    help: str
    arity: Arity = "one"


@attrs.frozen
class Kind:
    """Components with one interface.

    Attributes:
        name: what plugins, listings and result files call it.
        interface: the class that its components are subclasses of, as "package.module:Class".
        question: what they answer, for those who read about plugins.
        slots: the places that they take; none for what users never name.
        noun: what it is called in a sentence.
        examples: what `poseplug new` can write for it besides an example of its own name.
    """

    name: str
    interface: str
    question: str
    slots: tuple[Slot, ...] = ()
    noun: str = attrs.field(default=attrs.Factory(lambda self: self.name, takes_self=True))
    examples: tuple[str, ...] = ()

    @property
    def hook(self) -> str:
        """The hook by which plugins register them."""
        return f"register_{self.name}s"

    def load_interface(self) -> Any:
        """Import and return the interface."""
        module, _, name = self.interface.partition(":")
        return getattr(importlib.import_module(module), name)


KINDS: tuple[Kind, ...] = (
    Kind(
        "source",
        "poseplug.core.interfaces:PoseSource",
        "where do poses come from?",
        (
            Slot("source", "source", "--source", "Where poses come from; repeat to mix.", "several"),
            Slot("source", "reference", "--reference", "Real poses that parts are fitted to."),
            Slot("source", "eval", "--eval", "What to evaluate on; repeatable.", "labelled"),
        ),
        examples=("dataset",),
    ),
    Kind(
        "augmentor",
        "poseplug.core.interfaces:Augmentor",
        "how is a batch made more diverse?",
        (Slot("augmentor", "augmentor", "--augment", "Augmentor; repeat to chain.", "several"),),
    ),
    Kind(
        "reweighter",
        "poseplug.core.interfaces:Reweighter",
        "how much does a sample count?",
        (Slot("reweighter", "reweighter", "--reweight", "How much each pose counts."),),
    ),
    Kind(
        "lifter",
        "poseplug.core.interfaces:Lifter",
        "from 2D to 3D",
        (Slot("lifter", "lifter", "--lifter", "The network that lifts 2D to 3D."),),
    ),
    Kind(
        "discriminator",
        "poseplug.core.interfaces:Discriminator",
        "does this look real?",
        (Slot("discriminator", "discriminator", "--discriminate", "Tells real from made-up; repeatable.", "several"),),
    ),
    Kind(
        "root",
        "poseplug.core.interfaces:RootEstimator",
        "where is the person?",
        (Slot("root", "root", "--root", "Root estimator, for absolute positions."),),
        noun="root estimator",
    ),
    Kind(
        "input",
        "poseplug.core.interfaces:InputProvider",
        "what else can components read?",
        (Slot("input", "input", "--input", "Settings of something that parts read; repeatable.", "several"),),
    ),
    Kind(
        "objective",
        "poseplug.core.interfaces:Objective",
        "what is the lifter asked to minimise?",
        (Slot("objective", "objective", "--objective", "Training regime; default: the lifter's."),),
    ),
    Kind(
        "metric",
        "poseplug.core.evaluation.metric:Metric",
        "how good are predictions?",
        (Slot("metric", "metric", "--metric", "Measured besides the standard metrics; repeatable.", "several"),),
    ),
    Kind(
        "hook",
        "poseplug.core.hooks:RunHook",
        "watches a run, or adds to it",
        (Slot("hook", "hook", "--hook", "Logger or other run-time hook; repeatable.", "several"),),
    ),
    # No part of a run: it has a training of its own, and `poseplug lift --detector` takes it.
    Kind("detector", "poseplug.core.detection.detector:Detector", "where are the joints in an image?"),
)


def kind_names() -> tuple[str, ...]:
    """Return the names of all kinds."""
    return tuple(kind.name for kind in KINDS)


def kind_named(name: str) -> Kind:
    """Return a kind; raise PoseplugError with the nearest name if there is none."""
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise PoseplugError(f"There is no kind '{name}'.{did_you_mean(name, kind_names())}")


def example_names() -> tuple[str, ...]:
    """Return what `poseplug new` can write: a component of each kind, and further examples of some."""
    return tuple(name for kind in KINDS for name in (kind.name, *kind.examples))


def kind_of_example(name: str) -> Kind:
    """Return the kind of an example; raise PoseplugError with the nearest name if there is none."""
    for kind in KINDS:
        if name in (kind.name, *kind.examples):
            return kind
    raise PoseplugError(f"There is no kind '{name}'.{did_you_mean(name, example_names())}")


def slots() -> tuple[Slot, ...]:
    """Return the slots of all kinds."""
    return tuple(slot for kind in KINDS for slot in kind.slots)
