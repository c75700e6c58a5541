"""How long and how fast a run trains: its settings, and phases that train some of its roles, in cycles."""

from __future__ import annotations

import bisect
import inspect
from collections.abc import Callable, Sequence

import attrs
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.settings import REQUIRED, setting

PRECISIONS = ("fp32", "tf32", "bf16")
SCHEDULES = ("constant", "onecycle", "cosine", "linear")
# LBFGS takes several looks at the loss; the others take parameters of certain shapes only.
_UNFIT = ("LBFGS", "SparseAdam", "Muon", "Optimizer")
ROLES = ("lifter", "root", "input", "augmentor", "discriminator")


def known_optimiser(name: str | None) -> str | None:
    """Return what is wrong with the name of an optimiser, or None."""
    known = [n for n, c in vars(torch.optim).items() if inspect.isclass(c) and issubclass(c, torch.optim.Optimizer)]
    fit = sorted(set(known) - set(_UNFIT))
    if name is None or name in fit:
        return None
    return f"must be an optimiser of torch.optim that takes any parameters ({', '.join(fit)}); got '{name}'"


def _known_roles(names: tuple[str, ...]) -> str | None:
    unknown = [name for name in names if name.partition(":")[0] not in ROLES]
    return f"must be of {', '.join(ROLES)}; got {', '.join(unknown)}" if unknown or not names else None


@attrs.frozen(kw_only=True)
class Training:
    """How long and how fast a run trains."""

    steps: int = setting(1200, "training steps", minimum=1)
    batch_size: int = setting(256, "poses, or scenes, drawn a step; as many of the reference if it is used", minimum=2)
    lr: float = setting(1e-3, "learning rate; its peak for onecycle", above=0)
    lr_schedule: str = setting("cosine", "how the learning rate goes over the run", choices=SCHEDULES)
    optimiser: str = setting("Adam", "optimiser, by its name in torch.optim", check=known_optimiser)
    weight_decay: float = setting(0.0, "weight decay, as the optimiser has it", minimum=0)
    clip_norm: float = setting(1.0, "gradients are cut to this norm; 0 switches it off", minimum=0)
    reference_weight: float | None = setting(
        None,
        "constant factor on what is learned from reference poses. Unset, it is 1 if there is a reweighter, else 0; set "
        "without a reweighter, it is the constant-weight control that re-weighting must beat",
        minimum=0,
    )
    passes: str = setting(
        "joint",
        "poses and reference poses go through the lifter in one batch (joint) or one after the other (separate); "
        "with batch normalisation the two differ",
        choices=("joint", "separate"),
    )
    precision: str = setting("fp32", "arithmetic of the lifter", choices=PRECISIONS)
    seed: int = setting(0, "seed of everything that is drawn", minimum=0, maximum=2**31 - 1)
    log_every: int = setting(20, "steps between looks at the losses", minimum=1)
    checkpoint_every: int = setting(200, "steps between checkpoints", minimum=1)


@attrs.frozen(kw_only=True)
class Phase:
    """A stretch of steps within each cycle."""

    name: str = setting(REQUIRED, "what logs and messages call it")
    steps: int | None = setting(None, "steps in each cycle", minimum=1)
    share: float | None = setting(None, "share of the run's steps, instead of their number", above=0, maximum=1)
    trains: tuple[str, ...] = setting(
        ROLES,
        f"the roles that are updated: {', '.join(ROLES)}; or named parameter groups of one, as in lifter:legs, while "
        "its others stay as they are; groups of role input are inputs by their names",
        check=_known_roles,
    )
    poses: str = setting(
        "augmented",
        "what the lifter trains on: drawn poses after the augmentors, as they were drawn, or those that were kept",
        choices=("augmented", "drawn", "kept"),
    )
    keep: bool = setting(False, "keep the augmented poses that their augmentor accepts for phases that train on them")
    first_cycle: int = setting(1, "the first cycle that has this phase", minimum=1)
    last_cycle: int | None = setting(None, "the last cycle that has it", minimum=1)
    lr_factor: float = setting(1.0, "factor on every learning rate", above=0)
    fresh: bool = setting(False, "an optimiser of its own, whose schedule spans this phase's updates")
    lr: float | None = setting(None, "learning rate of all that it trains, by an optimiser of its own", above=0)
    lr_schedule: str | None = setting(None, "how that rate goes over this phase's updates", choices=SCHEDULES)
    optimiser: str | None = setting(None, "an optimiser of its own, by its name in torch.optim", check=known_optimiser)

    def __attrs_post_init__(self) -> None:
        if (self.steps is None) == (self.share is None):
            raise ValueError(f"phase '{self.name}' needs either 'steps' or 'share'; give one of them")

    @property
    def own_optimiser(self) -> bool:
        """Whether what it trains is not trained on by the run's optimisers."""
        return self.fresh or any(value is not None for value in (self.lr, self.lr_schedule, self.optimiser))

    def groups(self, role: str) -> tuple[str, ...] | None:
        """Return the parameter groups of a role that it trains: () for all of them, None where it trains none."""
        if role in self.trains:
            return ()
        start = f"{role}:"
        return tuple(name.removeprefix(start) for name in self.trains if name.startswith(start)) or None


def check_schedules(training: Training, phases: Sequence[Phase]) -> None:
    """Raise PoseplugError if a phase, or the run where there are none, schedules what its optimiser does not have."""
    own = [(phase.lr_schedule, phase.optimiser) for phase in phases] or [(None, None)]
    for schedule, name in own:
        optimiser = name or training.optimiser
        has = inspect.signature(getattr(torch.optim, optimiser)).parameters
        if (schedule or training.lr_schedule) == "onecycle" and not {"momentum", "betas"} & has.keys():
            others = ", ".join(other for other in SCHEDULES if other != "onecycle")
            raise PoseplugError(
                f"lr_schedule 'onecycle' schedules momentum too, and optimiser '{optimiser}' has none; choose one "
                f"of {others}, or an optimiser with momentum such as Adam or SGD."
            )


@attrs.frozen
class Moment:
    """Where a run is at a step.

    Attributes:
        step: counted from 0.
        progress: share of the training that is done, 0 to 1.
        phase, cycle: of the schedule; cycles are counted from 1.
    """

    step: int
    progress: float
    phase: Phase
    cycle: int


class Schedule:
    """Tells the phase of every step.

    Args:
        phases: in the order of a cycle; none means that every step trains everything.
        steps: of the whole run; the last cycle may be cut short.

    Raises:
        PoseplugError: a cycle without phases, so that the steps could never be reached; two phases of one name.
    """

    def __init__(self, phases: Sequence[Phase], steps: int) -> None:
        self.phases = tuple(phases) or (Phase(name="train", steps=steps),)
        self.steps = steps
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise PoseplugError(f"Two phases of this run have one name ({', '.join(names)}); give each its own.")
        lengths, share = dict[str, int](), 0.0
        for phase in self.phases:  # shares are rounded so that they add up
            before, share = share, share + (phase.share or 0.0)
            lengths[phase.name] = phase.steps or round(share * steps) - round(before * steps)
        self._starts: list[int] = []
        self._spans: list[tuple[Phase, int]] = []  # phase and cycle
        start, cycle = 0, 0
        while start < steps:
            cycle += 1
            present = [p for p in self.phases if p.first_cycle <= cycle <= (p.last_cycle or cycle) and lengths[p.name]]
            if not present:
                raise PoseplugError(
                    f"No phase of this run has cycle {cycle}, and {steps - start} steps are left; "
                    "give one a later last_cycle, or the run fewer steps."
                )
            for phase in present:
                self._starts.append(start)
                self._spans.append((phase, cycle))
                start += lengths[phase.name]

    def at(self, step: int) -> Moment:
        """Return where step ``step``, counted from 0, is."""
        return Moment(step, step / self.steps, *self._spans[bisect.bisect_right(self._starts, step) - 1])

    def updates(self, every: int, trained_in: Callable[[Phase], bool], first: int | None = None) -> int:
        """Return how many steps of the run are a multiple of ``every``, in phases of which ``trained_in`` holds.

        Of all its steps, or of the ``first`` so many.
        """
        last = self.steps if first is None else first
        ends = [*self._starts[1:], self.steps]
        return sum(
            len(range(-(-start // every) * every, min(end, last), every))
            for (phase, _), start, end in zip(self._spans, self._starts, ends, strict=True)
            if trained_in(phase)
        )
