"""People that a part found in scenes, and which true person each of them is."""

from __future__ import annotations

from typing import Literal

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.tensors import TensorRecord

MatchBy = Literal["root", "joints"]
MatchRule = Literal["free", "nearest", "best"]


@attrs.frozen(eq=False)
class Found(TensorRecord):
    """M people that were found in S scenes; with K slots a scene, so that shapes never depend on what is found.

    Attributes:
        scene: [M] int64, row numbers of the scenes.
        root: [M, 3] absolute roots, camera frame, metres.
        score: [M] 0 to 1, how sure it is; an empty slot has 0.
        joints_2d: [M, J, 2] pixels, where lifters that read key points are to lift them.
        joints_3d: [M, J, 3] absolute joints, camera frame, metres, once they are lifted.
        most: slots in a scene, known to the host; no scene has more.
    """

    scene: Tensor
    root: Tensor
    score: Tensor
    joints_2d: Tensor | None = None
    joints_3d: Tensor | None = None
    most: int = 1

    def __len__(self) -> int:
        return len(self.scene)


@attrs.frozen(eq=False)
class Matching:
    """Who is who.

    Attributes:
        of_people: [N] int64, for each true person the row of whom was found; -1 for nobody.
        of_found: [M] int64, for each found person the row of the true one; -1 for nobody.
    """

    of_people: Tensor
    of_found: Tensor

    @property
    def matched(self) -> Tensor:
        """[N] bool, which true people were found."""
        return self.of_people >= 0


def match(
    found: Found,
    batch: PoseBatch,
    radius: float,
    *,
    score: float = 0.0,
    by: MatchBy = "root",
    rule: MatchRule = "free",
) -> Matching:
    """Return which found person is which true one. Nothing waits for the device.

    Args:
        found: whom a part found.
        batch: the true people, with 3D joints.
        radius: metres; at this distance they still match.
        score: below it, or at it, nobody is found.
        by: the distance: of the "root"s, or the mean one of the "joints", absolute ones, which must then be lifted.
        rule: how they pair off within a scene. "free": in order of score each found person takes the nearest true one
            who is free. "nearest": the nearest, or nobody if that one is taken. "best": each true person takes the
            nearest found one, whom several may take.

    Raises:
        ValueError: joints are to be compared, and nobody is lifted yet.
    """
    of_people = torch.full((len(batch),), -1, dtype=torch.int64, device=batch.device)
    of_found = torch.full((len(found),), -1, dtype=torch.int64, device=batch.device)
    if not len(batch) or not len(found):
        return Matching(of_people, of_found)
    people = people_by_scene(batch)
    best_first = torch.argsort(found.score, descending=True, stable=True)
    candidates = rows_by_scene(found.scene[best_first], best_first, batch.num_scenes, found.most)
    distance = _distances(found, batch, by, candidates, people)
    possible = (candidates >= 0) & (found.score[candidates] > score)
    possible = possible[:, :, None] & (people >= 0)[:, None] & (distance <= radius)
    distance = torch.where(possible, distance, torch.inf)
    if rule == "best":
        nearest, turn = distance.min(1)
        finder = candidates.gather(1, turn).flatten()
        pairs = _written(of_people, of_found, people.flatten(), finder, nearest.isfinite().flatten())
        return Matching(*pairs)
    free = people >= 0
    columns = torch.arange(people.shape[1], device=batch.device)
    # In all scenes at once: the best choose, then the second best, and so on.
    for turn_number in range(found.most):
        left = distance[:, turn_number]
        nearest, column = (left if rule == "nearest" else torch.where(free, left, torch.inf)).min(1)
        takes = nearest.isfinite() & free.gather(1, column[:, None])[:, 0]
        person, finder = people.gather(1, column[:, None])[:, 0], candidates[:, turn_number]
        of_people, of_found = _written(of_people, of_found, person, finder, takes)
        free = free & ~(takes[:, None] & (columns == column[:, None]))
    return Matching(of_people, of_found)


def _written(
    of_people: Tensor, of_found: Tensor, person: Tensor, finder: Tensor, takes: Tensor
) -> tuple[Tensor, Tensor]:
    """Return both tables with some pairs [K] written into them, where they hold."""
    # Who takes nobody writes into a row that is cut off.
    at_people = torch.where(takes, person, len(of_people))
    at_found = torch.where(takes, finder, len(of_found))
    return _put(of_people, at_people, finder), _put(of_found, at_found, person)


def people_by_scene(batch: PoseBatch) -> Tensor:
    """Return for each scene the rows of its people, [S, most]; -1 where there is nobody."""
    rows = torch.arange(len(batch), device=batch.device)
    return rows_by_scene(batch.scene_rows, rows, batch.num_scenes, batch.places.most)


def rows_by_scene(scene: Tensor, rows: Tensor, scenes: int, most: int) -> Tensor:
    """Return for each scene the rows of those in it, in their order, [S, most]; -1 where there is nobody."""
    order = torch.argsort(scene, stable=True)
    counts = torch.zeros(scenes, dtype=torch.int64, device=scene.device).index_add_(0, scene, torch.ones_like(scene))
    place = torch.arange(len(scene), device=scene.device) - (counts.cumsum(0) - counts)[scene[order]]
    table = torch.full((scenes, most), -1, dtype=torch.int64, device=scene.device)
    table[scene[order], place] = rows[order]
    return table


def _distances(found: Found, batch: PoseBatch, by: MatchBy, candidates: Tensor, people: Tensor) -> Tensor:
    """Return the distances [S, K, P] in metres between found and true people of each scene; any where there is none."""
    if by == "root":
        return _apart(found.root[candidates], batch.root[people])
    if found.joints_3d is None:
        raise ValueError("by='joints' compares poses, and these people are not lifted yet")
    total = torch.zeros((), dtype=batch.absolute.dtype, device=batch.device)
    # One joint after the other: all at once they would need J times the memory.
    for here, there in zip(found.joints_3d.unbind(1), batch.absolute.unbind(1), strict=True):
        total = total + _apart(here[candidates], there[people])
    return total / batch.skeleton.num_joints


def _apart(found: Tensor, true: Tensor) -> Tensor:
    """Return the distances [S, K, P] between points [S, K, 3] and [S, P, 3]."""
    length: Tensor = torch.linalg.vector_norm(found[:, :, None] - true[:, None], dim=-1)
    return length


def _put(values: Tensor, where: Tensor, what: Tensor) -> Tensor:
    """Return values [N] with others in some places; the place N is no place."""
    return torch.cat([values, values[:1]]).scatter(0, where, what)[:-1]
