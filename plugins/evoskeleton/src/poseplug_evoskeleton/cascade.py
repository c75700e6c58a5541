"""Li et al.: Cascaded deep monocular 3D human pose estimation (EvoSkeleton), CVPR 2020, Sec. 4.2 (eq. 7), Algorithm 3.

Written from the paper and from a description of what its released code does, without any of that code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, Lifter, OutputHead
from poseplug.core.settings import setting
from poseplug_evoskeleton.tagnet import ESTIMATE

# What else a phase trains, where a run has it: only the lifter is trained part by part.
_OTHER_ROLES = ("root", "input", "augmentor", "discriminator")


@attrs.frozen(kw_only=True)
class CascadeConfig:
    """Settings of the cascade."""

    part: str = setting("tagnet", "the lifter that each part is, such as semgcn or 'mlp:channels=256'")
    parts: int = setting(3, "number T of parts", minimum=1)
    concat: bool = setting(
        False, "show each part the sum of those before it; for parts that read it, such as tagnet:estimate=true"
    )


class Cascade(Lifter):
    """The sum of several equal lifters, each of which learns what those before it leave: p = D_1(x) + ... + D_T(x).

    Parts are trained one after the other. Those before are then frozen, and those to come are not yet in the sum, so
    that the error of the sum is a part's error on the residual p - (D_1(x) + ... + D_{t-1}(x)), which is Algorithm 3.
    A cascade that was never told of a phase is the sum of all parts.
    """

    Config = CascadeConfig
    default_objective = "standardised"
    # [T] which parts are, or have been, under training.
    begun: Tensor

    def __init__(self, config: CascadeConfig, context: BuildContext) -> None:
        super().__init__()
        if context.build is None:
            raise PoseplugError("Lifter 'cascade', setting 'part': a lifter can only be named within a run.")
        self.parts = nn.ModuleList(context.build("lifter", config.part) for _ in range(config.parts))
        first = self._part(0)
        if not any(p.requires_grad for p in first.parameters()):
            raise PoseplugError(f"Lifter 'cascade', setting 'part': '{config.part}' has nothing to train.")
        self.concat = config.concat
        _check_concat(config, first.reads)
        self.reads = first.reads - {ESTIMATE}  # type: ignore[misc]
        self.normalisation, self.refines_root = first.normalisation, first.refines_root  # type: ignore[misc]
        self.learning_rate, self.update_every = first.learning_rate, first.update_every
        self.register_buffer("begun", torch.zeros(config.parts, dtype=torch.bool, device=context.device))
        # Parts that are known not to be in the sum, and need not be computed; what is in it, ``begun`` tells.
        self._left_out: frozenset[int] = frozenset()
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]

    @classmethod
    def reads_with(cls, config: CascadeConfig, reads_of: Callable[[str], frozenset[str]]) -> frozenset[str]:
        reads = reads_of(config.part)
        _check_concat(config, reads)
        return reads - {ESTIMATE}

    @classmethod
    def default_phases(cls, config: CascadeConfig) -> Sequence[Mapping[str, Any]]:
        """Return a phase for each part, all equally long, each with an optimiser of its own at a constant rate."""
        return tuple(
            {
                "name": name,
                "share": 1 / config.parts,
                "trains": (f"lifter:{name}", *_OTHER_ROLES),
                "fresh": True,
                "lr_schedule": "constant",
            }
            for name in map(_name, range(config.parts))
        )

    def parameter_groups(self) -> Mapping[str, list[nn.Parameter]]:
        return {_name(i): [p for p in part.parameters() if p.requires_grad] for i, part in enumerate(self.parts)}

    def begin_phase(self, groups: frozenset[str]) -> None:
        for i in range(len(self.parts)):
            if _name(i) in groups:
                self.begun[i] = True
                self._part(i).begin_phase(frozenset(self._part(i).parameter_groups()))
        begun = self.begun.tolist()
        self._left_out = frozenset(i for i, has in enumerate(begun) if not has and any(begun))

    def output_head(self, skeleton: Skeleton) -> OutputHead:
        return self._part(0).output_head(skeleton)

    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        """Return the sum of what the parts return, [N, J, 3]."""
        present = self.begun | ~self.begun.any()
        total: Tensor | None = None
        for i, part in enumerate(self.parts):
            if i not in self._left_out:
                if self.concat:
                    inputs[ESTIMATE] = joints_2d.new_zeros(*joints_2d.shape[:2], 3) if total is None else total
                found = torch.where(present[i], part(joints_2d, **inputs), 0)
                total = found if total is None else total + found
        assert total is not None, "one part at least is in the sum"
        return total

    def diagnostics(self) -> dict[str, float]:
        """Return how many parts are in the sum, and what each reports."""
        own = {f"{_name(i)}_{k}": v for i in range(len(self.parts)) for k, v in self._part(i).diagnostics().items()}
        return {"parts": float(self.begun.sum() or len(self.parts)), **own}

    def logs(self) -> Mapping[str, Tensor]:
        present = (i for i in range(len(self.parts)) if i not in self._left_out)
        return {f"{_name(i)}_{name}": value for i in present for name, value in self._part(i).logs().items()}

    def _part(self, i: int) -> Lifter:
        part = self.parts[i]
        assert isinstance(part, Lifter)
        return part


def _name(i: int) -> str:
    return f"part{i + 1}"


def _forget(cascade: nn.Module, _: Any) -> None:
    """After other parts may have come into the sum: leave none out but those that ``begun`` does."""
    assert isinstance(cascade, Cascade)
    cascade._left_out = frozenset()


def _check_concat(config: CascadeConfig, reads: frozenset[str]) -> None:
    """Raise PoseplugError unless parts that read the estimate are shown it, and no others."""
    if config.concat and ESTIMATE not in reads:
        raise PoseplugError(
            f"Lifter 'cascade', setting 'concat': part '{config.part}' does not read the estimate of those before it "
            "(input 'estimate'); choose one that does, such as part='tagnet:estimate=true', or leave out concat."
        )
    if ESTIMATE in reads and not config.concat:
        raise PoseplugError(
            f"Lifter 'cascade', setting 'part': '{config.part}' reads the estimate of those before it (input "
            "'estimate'), which parts are shown with concat=true only; add that, or choose another part."
        )
