"""The metrics that every evaluation measures: the errors that the papers report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import attrs
from torch import Tensor

from poseplug.core.evaluation.joint_errors import MILLIMETRES, auc, joint_errors, n_joint_errors, pck
from poseplug.core.evaluation.metric import Comparison, Metric, Over
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting

# Within this distance MuPoTS and VirtualPose call a root found.
ROOT_FOUND_MM = 250.0


class Mpjpe(Metric):
    """Mean per-joint position error (protocol 1)."""

    def measure(self, comparison: Comparison) -> Mapping[str, Tensor]:
        return {"mpjpe_mm": comparison.errors}


class PMpjpe(Metric):
    """MPJPE after Procrustes alignment of each pose (protocol 2), as the protocol allows it and with reflection."""

    def measure(self, comparison: Comparison) -> Mapping[str, Tensor]:
        return {"p_mpjpe_mm": comparison.aligned_errors, "p_mpjpe_reflected_mm": comparison.mirrored_errors}

    def heading(self, figure: str) -> str:
        return "" if figure == "p_mpjpe_reflected_mm" else super().heading(figure)


class NMpjpe(Metric):
    """MPJPE after the best scaling of each root-relative pose."""

    def measure(self, comparison: Comparison) -> Mapping[str, Tensor]:
        poses = comparison.counted(comparison.predicted), comparison.counted(comparison.target)
        return {"n_mpjpe_mm": n_joint_errors(*poses)}


@attrs.frozen(kw_only=True)
class PckConfig:
    """Settings of the percentage of correct key points."""

    threshold_mm: float | None = setting(
        None, "joints nearer than this are correct; none: the protocol's", unit="mm", above=0
    )


class Pck(Metric):
    """Percentage of correct key points: joints nearer to the true ones than a threshold."""

    Config = PckConfig

    def __init__(self, config: PckConfig, context: BuildContext) -> None:
        self.threshold_mm = config.threshold_mm

    def measure(self, comparison: Comparison) -> Mapping[str, Tensor]:
        threshold = comparison.protocol.pck_mm if self.threshold_mm is None else self.threshold_mm
        return {f"pck_{threshold:g}": pck(comparison.errors, threshold)}

    def heading(self, figure: str) -> str:
        return figure.replace("_", "@").upper()


class Auc(Metric):
    """Area under the curve of PCK over the protocol's thresholds."""

    def measure(self, comparison: Comparison) -> Mapping[str, Tensor]:
        return {"auc": auc(comparison.errors, comparison.protocol.auc_max_mm, comparison.protocol.auc_step_mm)}


class Mrpe(Metric):
    """Mean root position error, and its parts along the camera's axes (z is depth)."""

    needs_root = True

    def measure(self, comparison: Comparison) -> Mapping[str, Tensor]:
        root = comparison.truth.skeleton.root
        predicted, target = comparison.absolute[:, root], comparison.truth.root
        axes = (predicted - target).abs_().mul_(MILLIMETRES).unbind(-1)
        parts = {f"mrpe_{axis}_mm": error for axis, error in zip("xyz", axes, strict=True)}
        return {"mrpe_mm": joint_errors(predicted, target), **parts}

    def heading(self, figure: str) -> str:
        return "" if figure in ("mrpe_x_mm", "mrpe_y_mm") else super().heading(figure)


class PckAbs(Metric):
    """PCK of absolute positions in the camera frame, over all people: who was not found has none correct."""

    needs_root = True
    over: ClassVar[Over] = "people"
    figure = "pck_abs"

    def measure(self, comparison: Comparison) -> Mapping[str, Tensor]:
        errors = joint_errors(comparison.counted(comparison.absolute), comparison.counted(comparison.truth.absolute))
        return {self.figure: pck(errors, comparison.protocol.pck_mm)}


class PckRoot(Metric):
    """Percentage of roots that are found to within 250 mm, over all people."""

    needs_root = True
    over: ClassVar[Over] = "people"
    figure = "pck_root"

    def measure(self, comparison: Comparison) -> Mapping[str, Tensor]:
        predicted = comparison.absolute[:, comparison.truth.skeleton.root]
        return {self.figure: pck(joint_errors(predicted, comparison.truth.root)[:, None], ROOT_FOUND_MM)}


class PckAbsMatched(PckAbs):
    """PCK of absolute positions, over the people who were found."""

    needs_found = True
    over = "matched"
    figure = "pck_abs_matched"


class PckRootMatched(PckRoot):
    """Percentage of roots within 250 mm, over the people who were found."""

    needs_found = True
    over = "matched"
    figure = "pck_root_matched"


# In the order of the columns of tables.
STANDARD: tuple[type[Metric], ...] = (
    *(Mpjpe, PMpjpe, NMpjpe, Pck, Auc),
    *(Mrpe, PckAbs, PckRoot, PckAbsMatched, PckRootMatched),
)
