"""Protocols: what exactly an error is the error of. The papers differ in it, so it is kept beside every number."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import attrs

from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.geometry.skeleton import Skeleton

if TYPE_CHECKING:
    from poseplug.core.data.found import MatchBy, MatchRule

Root = Literal["counted", "unaligned", "excluded"]
Proposals = Literal["scored", "truth-filtered"]
# What says who is found, which matters only where people are searched for.
_OF_FOUND = ("match_radius_mm", "match_score", "match_by", "match_rule", "proposals")


@attrs.frozen(kw_only=True)
class Protocol:
    """How predictions are compared with their targets.

    Always: the predicted and the true root are moved to the origin first, and each pose is aligned on its own.

    Attributes:
        name: how results and messages call it.
        source: where it is written down.
        root: "counted": the root is a joint like the others (with an error of 0 before alignment). "unaligned": it
            counts, but keeps out of the alignment and so has an error of 0 in P-MPJPE too. "excluded": neither.
        scale: whether the Procrustes alignment may scale.
        reflection: whether it may mirror, where that is closer.
        flip: whether predictions for a pose and its mirror image are averaged; the engine does it.
        average: the mean that a paper prints: over all poses, or over the means of the actions.
        pck_mm: joints nearer than this count as found.
        auc_max_mm, auc_step_mm: the AUC's thresholds are 0, step, ..., max.
        match_radius_mm: where people are searched for, a found person at most so far from a true one may be that one.
        match_score: who scores no more than this is not found.
        match_by, match_rule: which distance, and how found and true people pair off; see ``match``.
        proposals: "scored": the score alone says who is found. "truth-filtered": in a scene with true people those who
            are found within the radius of a true root, whatever they score; in others, the score.
    """

    name: str
    source: str
    root: Root = "counted"
    scale: bool = True
    reflection: bool = False
    flip: bool = False
    average: Literal["poses", "actions"] = "poses"
    pck_mm: float = 150.0
    auc_max_mm: float = 150.0
    auc_step_mm: float = 5.0
    match_radius_mm: float = 500.0
    match_score: float = 0.3
    match_by: MatchBy = "root"
    match_rule: MatchRule = "free"
    proposals: Proposals = "scored"

    def num_joints(self, skeleton: Skeleton) -> int:
        """Return how many joints count."""
        return skeleton.num_joints - (self.root == "excluded")

    @property
    def least_score(self) -> float:
        """Who scores no more than this is not found, of those whom ``proposals`` leaves."""
        return self.match_score if self.proposals == "scored" else 0.0

    def asdict(self, skeleton: Skeleton, *, finds: bool = False) -> dict[str, Any]:
        """Return what ``result.json`` keeps beside the numbers; numbers compare only where these are equal.

        Who is matched with whom is said where the model ``finds`` people; otherwise all are given.
        """
        left_out = ["source", "scale", "reflection", *([] if finds else _OF_FOUND)]
        allowed = ["rotation", "translation", *["scale"] * self.scale, *["reflection"] * self.reflection]
        return {
            "name": self.name,
            "skeleton": skeleton.name,
            "joints": self.num_joints(skeleton),
            "root": self.root,
            "alignment": allowed,
            **attrs.asdict(self, filter=attrs.filters.exclude(*left_out)),
        }


def matching_in_words(protocol: Mapping[str, Any]) -> str:
    """Return who counts as found under a protocol, from its fields as ``asdict`` has them."""
    score = f"people found at a score above {protocol['match_score']:g}"
    who = score if protocol["proposals"] == "scored" else "people found near a true root whatever they score"
    how = {
        "free": "the surest first",
        "nearest": "the surest first, each with its nearest or nobody",
        "best": "each true one with the best",
    }[protocol["match_rule"]]
    by = "by root" if protocol["match_by"] == "root" else "by mean joint error"
    return f"{who}, matched within {protocol['match_radius_mm']:g} mm {by}, {how}"


_PRESETS = (
    Protocol(name="default", source="poseplug's lab-to-wild benchmark: every joint, root counted, no flip"),
    Protocol(
        name="h36m",
        source="Human3.6M's Protocols 1 and 2 as most report them: every joint, no flip, mean of the 15 actions",
        average="actions",
    ),
    Protocol(
        name="videopose3d",
        source="VideoPose3D's released evaluation: as h36m, predictions averaged with the mirrored",
        flip=True,
        average="actions",
    ),
    Protocol(
        name="poseaug-h36m",
        source="PoseAug's released evaluation on Human3.6M: 16 joints with the root, mean over poses, no flip",
    ),
    Protocol(
        name="poseaug-3dhp",
        source="PoseAug's released evaluation on MPI-INF-3DHP: as on Human3.6M, predictions averaged with the mirrored",
        flip=True,
    ),
    # Their code averages poses, and their table's average (50.0) is not the mean of its 15 action columns (50.25).
    Protocol(
        name="pose2drep",
        source="'Optimising 2D pose representation', released evaluation: root left out, alignment may mirror",
        root="excluded",
        reflection=True,
    ),
    # Martinez et al. count the same way: what is reported is 16/17 of the mean over the 16 predicted joints.
    Protocol(
        name="evoskeleton",
        source="EvoSkeleton's released evaluation: the root counts with error 0, also after alignment; mean of actions",
        root="unaligned",
        average="actions",
    ),
    Protocol(
        name="virtualpose",
        source="VirtualPose without the truth at test time: people found at a score above 0.3, matched within 500 mm",
    ),
    # Their network drops proposals that are far from every true root, so that false alarms never count.
    Protocol(
        name="virtualpose-released",
        source="VirtualPose's released evaluation on Panoptic, which lets the truth choose among the found; pairs by "
        "absolute MPJPE below 500 mm",
        match_by="joints",
        match_rule="nearest",
        proposals="truth-filtered",
    ),
    Protocol(
        name="virtualpose-mupots",
        source="VirtualPose's released evaluation on MuPoTS: as virtualpose-released, below 1000 mm, and each true "
        "person takes the best; without the averaging over sequences of the official one",
        match_radius_mm=1000.0,
        match_by="joints",
        match_rule="best",
        proposals="truth-filtered",
    ),
)
PROTOCOLS: Mapping[str, Protocol] = MappingProxyType({protocol.name: protocol for protocol in _PRESETS})


def lookup(name: str) -> Protocol:
    """Return a named protocol; raise PoseplugError with the nearest name if there is none."""
    try:
        return PROTOCOLS[name]
    except KeyError:
        raise PoseplugError(f"No protocol is called '{name}'.{did_you_mean(name, PROTOCOLS)}") from None
