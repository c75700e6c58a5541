"""Promises that make runs repeatable: seeds, global random state, inputs left alone, state that can be stored."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from poseplug.core.interfaces import FiniteSource, Trained
from poseplug.core.storage.tensor_file import load_tensors, save_tensors
from poseplug.registry.conformance.kinds.hook import tiny_run
from poseplug.registry.conformance.poses import WithoutEnd, ordinary
from poseplug.registry.conformance.randomness import RandomStates, seed_globally
from poseplug.registry.conformance.subject import Subject, set_training
from poseplug.registry.conformance.tensors import check_equal, watch
from poseplug.registry.conformance.verdict import MODULES, TENSORS, Broken, promise, require


@promise("seeded", "equal seeds give equal results", kinds=TENSORS)
def seeded(subject: Subject) -> None:
    """Build and use it twice, in training, with all seeds equal."""
    results = []
    for _ in range(2):
        part = set_training(subject.ready(seed=5), True)
        seed_globally(6)
        results.append(subject.use(part))
    check_equal(results[0], results[1], "two runs with equal seeds differ")


@promise("random-state", "it leaves the global random state alone")
def random_state(subject: Subject) -> None:
    """Compare the states of torch, NumPy and Python before and after construction, fitting and use.

    Two things may draw from torch's global generator, because PyTorch's own layers do: the initial weights of a
    component with parameters, and the use of one in training mode (dropout). Nothing else may, and nothing may seed it.
    """
    for seed in (11, 12):
        seed_globally(seed)
        context = subject.context()
        before = RandomStates()
        part = subject.construct(context=context)
        has_parameters = isinstance(part, nn.Module) and any(True for _ in part.parameters())
        before.check("when constructed", torch_too=not has_parameters)
        if seed == 11:
            first = torch.get_rng_state()
    require(not torch.equal(first, torch.get_rng_state()), "seeds torch's global generator when constructed")
    part = subject.ready()
    for training in (True, False):
        set_training(part, training)
        subject.use(part)  # What is set up on first use is not what is meant here.
        seed_globally(13)
        before = RandomStates()
        subject.use(part)
        before.check("when used", torch_too=not training or not has_parameters)
    before = RandomStates()
    if subject.kind == "reweighter":
        drawn, reference = subject.tables()
        for source in (drawn, WithoutEnd(drawn)):
            subject.fit(part, source, reference)
        before.check("when fitted", torch_too=True)
    elif isinstance(part, FiniteSource):
        list(part.batches(1024))
        before.check("when gone through in order", torch_too=True)


@promise("input", "it does not change what it is handed")
def unchanged_input(subject: Subject) -> None:
    """Compare what it was handed before and after, tensors by value and by version."""
    if subject.kind == "hook":
        _unchanged_arguments(subject)
        return
    context = subject.context()
    check_reference = watch({"reference": getattr(context.reference, "poses", None)})
    part = subject.construct(context=context)
    check_reference()
    part = subject.ready() if subject.kind != "source" else part
    checks: list[Callable[[], None]] = []

    def watch_forward(_: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
        checks.append(watch({**dict(zip(("joints_2d",), arguments, strict=False)), **keywords}))

    if subject.kind in ("lifter", "root", "detector"):
        # What the engine makes of poses before it hands it on: normalised joints, boxes, images, ...
        part.register_forward_pre_hook(watch_forward, with_kwargs=True)
    for training in (True, False):
        occasion = ordinary(8, subject.device)
        check_occasion = watch({"poses": occasion.poses, "others": occasion.others})
        subject.use(set_training(part, training), occasion)
        for check in (*checks, check_occasion):
            check()
    if subject.kind == "reweighter":
        drawn, reference = subject.tables()
        check_fitted = watch({"drawn": drawn.poses, "reference": reference.poses})
        subject.fit(part, drawn, reference)
        check_fitted()
    check_reference()


def _unchanged_arguments(subject: Subject) -> None:
    part = subject.ready()
    with tempfile.TemporaryDirectory() as folder:
        for event, arguments in tiny_run(subject.device, Path(folder)):
            check = watch({f"argument of {event}": arguments})
            getattr(part, event)(*arguments)
            check()


@promise("state", "its state_dict, through a safetensors file, is all there is to it", kinds=MODULES, needs=("seeded",))
def state(subject: Subject) -> None:
    """Use a component, store it, load that into one with other initial weights, and compare what the two say."""
    part = set_training(subject.ready(seed=1), True)
    for seed in range(2):
        subject.use(part, ordinary(8, subject.device, seed=seed))
    with torch.no_grad():
        for parameter in part.parameters():
            parameter.mul_(1.05)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        save_tensors(path, part.state_dict(), {})
        tensors, _ = load_tensors(path)
    other = subject.build(seed=2)
    if isinstance(other, Trained):
        other.begin_phase(frozenset(other.parameter_groups()))
    try:
        other.load_state_dict(tensors)
    except RuntimeError as error:
        raise Broken(f"a new instance does not take the state_dict: {' '.join(str(error).split())}") from error
    results = []
    for one in (part, other):
        seed_globally(7)
        results.append(subject.use(set_training(one, False), ordinary(8, subject.device, seed=9)))
    check_equal(results[0], results[1], "differs after its state was stored and loaded")
