"""How well people are found: how many of the true ones, how many of the found ones are true."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs
import torch
from torch import Tensor

from poseplug.core.data.found import Found, Matching, match
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.evaluation.joint_errors import MILLIMETRES
from poseplug.core.evaluation.standard_metrics import ROOT_FOUND_MM

# How tables call the figures.
HEADINGS: Mapping[str, str] = MappingProxyType({"recall": "recall", "precision": "precision", "ap_root": "AP-ROOT"})


class DetectionScores:
    """Gathers batch by batch who was found, and ranks all of them at the end."""

    def __init__(self) -> None:
        self._people = 0
        self._matched: list[Tensor] = []
        self._true: list[Tensor] = []
        self._score: list[Tensor] = []
        self._hit: list[Tensor] = []

    def add(self, found: Found, matching: Matching, batch: PoseBatch, unsure: Found | None = None) -> None:
        """Take note of who was found in the scenes of a batch.

        Args:
            found: those who count as found under the protocol.
            matching: who of them is who.
            batch: the true people.
            unsure: further ones, for the average precision.
        """
        self._people += len(batch)
        self._matched.append(matching.matched)
        self._true.append(matching.of_found >= 0)
        ranked = found
        if unsure is not None:
            ranked = Found.join([attrs.evolve(one, joints_2d=None, joints_3d=None) for one in (found, unsure)])
        self._score.append(ranked.score)
        self._hit.append(match(ranked, batch, ROOT_FOUND_MM / MILLIMETRES).of_found >= 0)

    def figures(self) -> dict[str, float]:
        """Return the figures in per cent, over all scenes; NaN where they are shares of nobody.

        "recall": true people who were found. "precision": found people who are true ones. "ap_root": average precision,
        the area under precision over recall as the least score sinks to 0, precision made to fall nowhere towards
        higher scores; a root is right within 250 mm of a true one that is free, whatever the protocol's radius is.
        """
        true = torch.cat(self._true)
        return {
            "recall": _share(torch.cat(self._matched).sum(), self._people),
            "precision": _share(true.sum(), len(true)),
            "ap_root": average_precision(torch.cat(self._score), torch.cat(self._hit), self._people),
        }


def average_precision(score: Tensor, hit: Tensor, people: int) -> float:
    """Return the average precision in per cent of M found people; NaN without true people.

    Args:
        score: [M]; of 0 and less nobody is found. Equal ones count together, in whatever order they come.
        hit: [M] bool, whether each is a true person, each of whom is found once.
        people: how many true ones there are.
    """
    if not people:
        return torch.nan
    there = score > 0
    score, hit = score[there].double(), hit[there]
    if not len(score):
        return 0.0
    order = score.argsort(descending=True)
    score, hits = score[order], hit[order].double().cumsum(0)
    last = torch.cat([score[1:] < score[:-1], score.new_ones(1, dtype=torch.bool)])
    hits = hits[last]
    precision = hits / (torch.arange(1, len(score) + 1, dtype=torch.float64, device=score.device)[last])
    precision = precision.flip(0).cummax(0).values.flip(0)
    gained = torch.diff(hits, prepend=hits.new_zeros(1)) / people
    return 100 * float((precision * gained).sum())


def _share(part: Tensor, of: int) -> float:
    return 100 * int(part) / of if of else torch.nan
