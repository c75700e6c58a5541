"""Scores: the figures of an evaluation, gathered batch by batch on the device and read once at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.metric import Comparison, Metric
from poseplug.core.evaluation.protocol import Protocol
from poseplug.core.evaluation.standard_metrics import STANDARD
from poseplug.core.interfaces import BuildContext


class Scores:
    """Collects the figures of each pose without making the device wait; a few numbers are kept for each.

    Args:
        protocol: how poses are compared.
        actions: the names of the classes of the label "action", for tables per action; empty without such a label.
        metrics: what to measure besides the standard metrics, by the name that messages call it.

    Attributes:
        headings: how tables call the figures.

    Raises:
        PoseplugError: the protocol averages over actions and the data has none.
    """

    def __init__(self, protocol: Protocol, actions: Sequence[str] = (), metrics: Mapping[str, Metric] = {}) -> None:
        if protocol.average == "actions" and not actions:
            raise PoseplugError(
                f"Protocol '{protocol.name}' averages over actions, but this data has no label 'action'; "
                "choose another protocol or data that names its actions."
            )
        self.protocol = protocol
        self.actions = tuple(actions)
        self.headings: dict[str, str] = {}
        standard = {metric.__name__: metric(metric.Config(), BuildContext()) for metric in STANDARD}
        self._metrics = (*standard.items(), *metrics.items())
        self._givers: dict[str, str] = {}
        self._rows: list[dict[str, Tensor]] = []
        self._actions: list[Tensor] = []
        # Of each figure of joints: their names, and sums [actions, joints] over poses, float64.
        self._joints: dict[str, tuple[str, ...]] = {}
        self._joint_sums: dict[str, Tensor] = {}

    def add(self, predicted: Tensor, target: PoseBatch, root: Tensor | None = None) -> None:
        """Score one batch.

        Args:
            predicted: [N, J, 3] predicted joints, metres; the predicted root, whatever it is, is subtracted first.
            target: the true poses, with the label "action" where there are actions.
            root: [N, 3] predicted absolute root in the camera frame; give it for every batch or for none.

        Raises:
            PoseplugError: two metrics give a figure of one name, or one gives what is no figure.
        """
        index = target.skeleton.root
        comparison = Comparison(predicted - predicted[:, index : index + 1], target, self.protocol, root)
        # Poses without actions are all of one that has no name.
        action = target.labels["action"] if self.actions else torch.zeros_like(predicted[:, 0, 0], dtype=torch.int64)
        acts = (action[:, None] == torch.arange(max(len(self.actions), 1), device=action.device)).double()
        row: dict[str, Tensor] = {}
        for name, metric in self._metrics:
            if root is None and metric.needs_root:
                continue
            for figure, values in metric.measure(comparison).items():
                if figure in row:
                    raise PoseplugError(
                        f"Metrics '{self._givers[figure]}' and '{name}' both give '{figure}'; leave one of them out, "
                        "or set it so that its figure has another name."
                    )
                self._givers[figure], self.headings[figure] = name, metric.heading(figure)
                row[figure] = self._of_poses(figure, values, comparison, acts)
        if self._rows and row.keys() != self._rows[0].keys():
            raise ValueError("the predicted root must be given for every batch or for none")
        self._rows.append(row)
        self._actions.append(action)

    def _of_poses(self, figure: str, values: Tensor, comparison: Comparison, acts: Tensor) -> Tensor:
        """Return a figure of each pose [N]: of one of joints their mean; its sums over the poses are kept."""
        n, skeleton = len(comparison.truth), comparison.truth.skeleton
        if values.shape == (n,):
            return values
        joints = list(skeleton.joints)
        if values.shape == (n, len(joints)):
            values = comparison.counted(values)
        elif values.shape != (n, len(joints) - 1):
            raise PoseplugError(
                f"Metric '{self._givers[figure]}' gives '{figure}' in the shape {list(values.shape)}; expected [{n}], "
                f"a figure of each pose, or [{n}, {len(joints)}], of each of its joints."
            )
        if values.shape[1] < len(joints):
            del joints[skeleton.root]
        self._joints[figure] = tuple(joints)
        # A NaN gets into the sums of all actions; what is made of them, a mean over all poses, is NaN anyway.
        self._joint_sums[figure] = self._joint_sums.get(figure, 0) + acts.T @ values.double()
        # Not their mean: a root that counts without being aligned is not among them, and adds an error of 0.
        return values.sum(-1) / self.protocol.num_joints(skeleton)

    def per_pose(self) -> dict[str, Tensor]:
        """Return every figure of every pose [N], in the order in which they were added, on the device."""
        if not self._rows:
            raise PoseplugError("Nothing was evaluated: the source gave no poses; check its split and other filters.")
        return {name: torch.cat([row[name] for row in self._rows]) for name in self._rows[0]}

    def mean(self) -> dict[str, float]:
        """Return the figures averaged as the protocol says: over poses, or over the means of the actions."""
        if self.protocol.average == "actions":
            actions = self.by_action().values()
            return {name: sum(action[name] for action in actions) / len(actions) for name in self.headings}
        names, table = self._table()
        return dict(zip(names, table.mean(1).tolist(), strict=True))

    def by_action(self) -> dict[str, dict[str, float]]:
        """Return for each action that occurs the means of the figures over its poses."""
        names, table = self._table()
        action, counts = self._action_counts()
        sums = table.new_zeros(len(names), len(counts)).index_add_(1, action, table)
        means, occurs = (sums / counts).T.tolist(), (counts > 0).tolist()
        rows = zip(self.actions, means, occurs, strict=True)
        return {name: dict(zip(names, row, strict=True)) for name, row, seen in rows if seen}

    def by_joint(self) -> dict[str, dict[str, float]]:
        """Return for each figure of joints the mean of each joint, averaged as the protocol says."""
        _, counts = self._action_counts()
        over_actions = self.protocol.average == "actions"
        weights = (counts > 0) / counts.clamp_min(1) / (counts > 0).sum() if over_actions else 1 / counts.sum()
        means = {figure: (sums.T * weights).sum(1).tolist() for figure, sums in self._joint_sums.items()}
        return {figure: dict(zip(self._joints[figure], values, strict=True)) for figure, values in means.items()}

    def _action_counts(self) -> tuple[Tensor, Tensor]:
        """Return the action [N] of each pose, and how many poses each action has, float64."""
        action = torch.cat(self._actions)
        counts = torch.zeros(max(len(self.actions), 1), dtype=torch.float64, device=action.device)
        return action, counts.index_add_(0, action, torch.ones_like(action, dtype=torch.float64))

    def _table(self) -> tuple[list[str], Tensor]:
        """Return the names of the figures and their values [figures, N], float64 so that long sums stay exact."""
        columns = self.per_pose()
        return list(columns), torch.stack(list(columns.values())).double()
