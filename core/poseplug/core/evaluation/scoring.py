"""Scores: the figures of an evaluation, gathered batch by batch on the device and read once at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from poseplug.core.data.found import Found, Matching
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
        # Where people are searched for, who was matched [N], batch by batch; and the figures that are over these alone.
        self._matched: list[Tensor] = []
        self._of_matched: set[str] = set()
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
        self._measure(Comparison(predicted - predicted[:, index : index + 1], target, self.protocol, root))

    def add_found(self, found: Found, matching: Matching, target: PoseBatch) -> None:
        """Score one batch in whose scenes people were searched for.

        Args:
            found: whom was found, lifted.
            matching: who of them is who.
            target: the true poses, as ``add`` takes them.

        Raises:
            PoseplugError: see ``add``.
        """
        self._matched.append(matching.matched)
        self._measure(Comparison.of_found(found, matching, target, self.protocol))

    def _measure(self, comparison: Comparison) -> None:
        target, searched = comparison.truth, comparison.matching is not None
        # Poses without actions are all of one that has no name.
        nameless = torch.zeros_like(comparison.predicted[:, 0, 0], dtype=torch.int64)
        action = target.labels["action"] if self.actions else nameless
        acts = (action[:, None] == torch.arange(max(len(self.actions), 1), device=action.device)).double()
        row: dict[str, Tensor] = {}
        for name, metric in self._metrics:
            if (comparison.roots is None and metric.needs_root) or (not searched and metric.needs_found):
                continue
            for figure, values in metric.measure(comparison).items():
                if figure in row:
                    raise PoseplugError(
                        f"Metrics '{self._givers[figure]}' and '{name}' both give '{figure}'; leave one of them out, "
                        "or set it so that its figure has another name."
                    )
                self._givers[figure], self.headings[figure] = name, metric.heading(figure)
                if searched and metric.over == "matched":
                    self._of_matched.add(figure)
                row[figure] = self._of_poses(figure, values, comparison, acts)
        if self._rows and row.keys() != self._rows[0].keys():
            raise ValueError("the predicted root must be given for every batch or for none")
        self._rows.append(row)
        self._actions.append(action)

    def _of_poses(self, figure: str, values: Tensor, comparison: Comparison, acts: Tensor) -> Tensor:
        """Return a figure of each pose [N]: of one of joints their mean; its sums over the poses are kept.

        Who was not found has 0, which counts or not, as the figure is over all people or over the matched.
        """
        n, skeleton = len(comparison.truth), comparison.truth.skeleton
        joints = list(skeleton.joints)
        if values.shape not in ((n,), (n, len(joints)), (n, len(joints) - 1)):
            raise PoseplugError(
                f"Metric '{self._givers[figure]}' gives '{figure}' in the shape {list(values.shape)}; expected [{n}], "
                f"a figure of each pose, or [{n}, {len(joints)}], of each of its joints."
            )
        if comparison.matching is not None:
            matched = comparison.matching.matched.view(-1, *[1] * (values.ndim - 1))
            values = torch.where(matched, values, 0.0)
        if values.shape == (n,):
            return values
        if values.shape[1] == len(joints):
            values = comparison.counted(values)
        if values.shape[1] < len(joints):
            del joints[skeleton.root]
        self._joints[figure] = tuple(joints)
        # A NaN gets into the sums of all actions; what is made of them, a mean over all poses, is NaN anyway.
        self._joint_sums[figure] = self._joint_sums.get(figure, 0) + acts.T @ values.double()
        # Not their mean: a root that counts without being aligned is not among them, and adds an error of 0.
        return values.sum(-1) / self.protocol.num_joints(skeleton)

    def per_pose(self) -> dict[str, Tensor]:
        """Return every figure of every pose [N], in the order in which they were added, on the device.

        Who was not found has 0.
        """
        if not self._rows:
            raise PoseplugError("Nothing was evaluated: the source gave no poses; check its split and other filters.")
        return {name: torch.cat([row[name] for row in self._rows]) for name in self._rows[0]}

    def mean(self) -> dict[str, float]:
        """Return the figures averaged as the protocol says: over poses, or over the means of the actions.

        A figure over the matched is NaN where nobody was matched; actions in which nobody was do not count for it.
        """
        if self.protocol.average == "actions":
            actions = self.by_action().values()
            columns = {name: [action[name] for action in actions if name in action] for name in self.headings}
            return {name: sum(column) / len(column) if column else torch.nan for name, column in columns.items()}
        names, table = self._table()
        counted = self._counted(names)
        means = table.mean(1) if counted is None else table.sum(1) / counted.sum(1)
        return dict(zip(names, means.tolist(), strict=True))

    def by_action(self) -> dict[str, dict[str, float]]:
        """Return for each action that occurs the means of the figures over its poses.

        Where nobody was matched, those over the matched are left out.
        """
        names, table = self._table()
        action, occurs = self._action_counts()
        sums = table.new_zeros(len(names), len(occurs)).index_add_(1, action, table)
        counted = self._counted(names)
        counts = occurs if counted is None else torch.zeros_like(sums).index_add_(1, action, counted)
        means, there = (sums / counts).T.tolist(), (counts.expand_as(sums) > 0).T.tolist()
        rows = zip(self.actions, means, there, (occurs > 0).tolist(), strict=True)
        return {
            name: {figure: value for figure, value, known in zip(names, row, of, strict=True) if known}
            for name, row, of, seen in rows
            if seen
        }

    def by_joint(self) -> dict[str, dict[str, float]]:
        """Return for each figure of joints the mean of each joint, averaged as the protocol says."""
        over_actions, means = self.protocol.average == "actions", {}
        for figure, sums in self._joint_sums.items():
            _, counts = self._action_counts(figure in self._of_matched)
            weights = (counts > 0) / counts.clamp_min(1) / (counts > 0).sum() if over_actions else 1 / counts.sum()
            means[figure] = (sums.T * weights).sum(1).tolist()
        return {figure: dict(zip(self._joints[figure], values, strict=True)) for figure, values in means.items()}

    def _action_counts(self, of_matched: bool = False) -> tuple[Tensor, Tensor]:
        """Return the action [N] of each pose, and how many poses, or matched ones, each action has, float64."""
        action = torch.cat(self._actions)
        counts = torch.zeros(max(len(self.actions), 1), dtype=torch.float64, device=action.device)
        ones = torch.cat(self._matched).double() if of_matched else torch.ones_like(action, dtype=torch.float64)
        return action, counts.index_add_(0, action, ones)

    def _counted(self, names: Sequence[str]) -> Tensor | None:
        """Return which poses count for each figure, [figures, N] float64; None where all count for all."""
        if not self._of_matched:
            return None
        matched = torch.cat(self._matched).double()
        return torch.stack([matched if name in self._of_matched else torch.ones_like(matched) for name in names])

    def _table(self) -> tuple[list[str], Tensor]:
        """Return the names of the figures and their values [figures, N], float64 so that long sums stay exact."""
        columns = self.per_pose()
        return list(columns), torch.stack(list(columns.values())).double()
