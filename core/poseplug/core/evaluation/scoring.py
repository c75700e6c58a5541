"""Scores: the metrics of an evaluation, gathered batch by batch on the device and read once at the end."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from poseplug.core.data.batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation import metrics
from poseplug.core.evaluation.protocol import Protocol


class Scores:
    """Collects per-pose metrics without making the device wait; a few numbers are kept for each pose.

    Args:
        protocol: what is measured.
        actions: the names of the classes of the label "action", for tables per action; empty without such a label.

    Raises:
        PoseplugError: the protocol averages over actions and the data has none.
    """

    def __init__(self, protocol: Protocol, actions: Sequence[str] = ()) -> None:
        if protocol.average == "actions" and not actions:
            raise PoseplugError(
                f"Protocol '{protocol.name}' averages over actions, but this data has no label 'action'; "
                "choose another protocol or data that names its actions."
            )
        self.protocol = protocol
        self.actions = tuple(actions)
        self._rows: list[dict[str, Tensor]] = []
        self._actions: list[Tensor] = []

    def add(self, predicted: Tensor, target: PoseBatch, root: Tensor | None = None) -> None:
        """Score one batch.

        Args:
            predicted: [N, J, 3] predicted joints, metres; the predicted root, whatever it is, is subtracted first.
            target: the true poses, with the label "action" where there are actions.
            root: [N, 3] predicted absolute root in the camera frame; give it for every batch or for none.
        """
        index = target.skeleton.root
        relative = predicted - predicted[:, index : index + 1]
        row = _relative_scores(relative, target.root_relative, index, self.protocol)
        if root is not None:
            row |= _absolute_scores(relative + root[:, None], target, self.protocol)
        if self._rows and row.keys() != self._rows[0].keys():
            raise ValueError("the predicted root must be given for every batch or for none")
        self._rows.append(row)
        if self.actions:
            self._actions.append(target.labels["action"])

    def per_pose(self) -> dict[str, Tensor]:
        """Return every metric of every pose [N], in the order in which they were added, on the device."""
        if not self._rows:
            raise PoseplugError("Nothing was evaluated: the source gave no poses; check its split and other filters.")
        return {name: torch.cat([row[name] for row in self._rows]) for name in self._rows[0]}

    def mean(self) -> dict[str, float]:
        """Return the metrics averaged as the protocol says: over poses, or over the means of the actions."""
        return self.mean_over_actions() if self.protocol.average == "actions" else self.mean_over_poses()

    def mean_over_poses(self) -> dict[str, float]:
        """Return the mean of each metric over all poses."""
        names, table = self._table()
        return dict(zip(names, table.mean(1).tolist(), strict=True))

    def mean_over_actions(self) -> dict[str, float]:
        """Return the mean of each metric over the means of the actions that occur."""
        actions = list(self.by_action().values())
        return {name: sum(action[name] for action in actions) / len(actions) for name in actions[0]}

    def by_action(self) -> dict[str, dict[str, float]]:
        """Return for each action that occurs the means of the metrics over its poses."""
        names, table = self._table()
        action = torch.cat(self._actions)
        sums = table.new_zeros(len(names), len(self.actions)).index_add_(1, action, table)
        counts = table.new_zeros(len(self.actions)).index_add_(0, action, torch.ones_like(table[0]))
        means, occurs = (sums / counts).T.tolist(), (counts > 0).tolist()
        rows = zip(self.actions, means, occurs, strict=True)
        return {name: dict(zip(names, row, strict=True)) for name, row, seen in rows if seen}

    def _table(self) -> tuple[list[str], Tensor]:
        """Return the names of the metrics and their values [metrics, N], float64 so that long sums stay exact."""
        columns = self.per_pose()
        return list(columns), torch.stack(list(columns.values())).double()


def _relative_scores(predicted: Tensor, target: Tensor, root: int, protocol: Protocol) -> dict[str, Tensor]:
    aligned = predicted, target
    if protocol.root != "counted":
        aligned = _without(predicted, root), _without(target, root)
    if protocol.root == "excluded":
        predicted, target = aligned
    counted = predicted.shape[1]

    def procrustes(reflection: bool) -> Tensor:
        errors = metrics.p_joint_errors(*aligned, scale=protocol.scale, reflection=reflection)
        # Not the mean of these errors: a root that counts without being aligned adds an error of 0.
        return errors.sum(-1) / counted

    errors = metrics.joint_errors(predicted, target)
    reflected = procrustes(reflection=True)
    return {
        "mpjpe_mm": errors.mean(-1),
        "p_mpjpe_mm": reflected if protocol.reflection else procrustes(reflection=False),
        "p_mpjpe_reflected_mm": reflected,
        "n_mpjpe_mm": metrics.n_mpjpe(predicted, target),
        f"pck_{protocol.pck_mm:g}": metrics.pck(errors, protocol.pck_mm),
        "auc": metrics.auc(errors, protocol.auc_max_mm, protocol.auc_step_mm),
    }


def _absolute_scores(predicted: Tensor, target: PoseBatch, protocol: Protocol) -> dict[str, Tensor]:
    index = target.skeleton.root
    root = predicted[:, index]
    axes = metrics.root_axis_errors(root, target.root)
    distance = metrics.mrpe(root, target.root)
    joints, true_joints = predicted, target.absolute
    if protocol.root == "excluded":
        joints, true_joints = _without(joints, index), _without(true_joints, index)
    return {
        "mrpe_mm": distance,
        **{f"mrpe_{axis}_mm": column for axis, column in zip("xyz", axes.unbind(-1), strict=True)},
        "pck_abs": metrics.pck(metrics.joint_errors(joints, true_joints), protocol.pck_mm),
        "pck_root": metrics.pck(distance[:, None], metrics.ROOT_PCK_MM),
    }


def _without(joints: Tensor, index: int) -> Tensor:
    """Return joints [N, J, 3] without one; slices, unlike an index, need nothing copied to the device."""
    return torch.cat([joints[:, :index], joints[:, index + 1 :]], 1)
