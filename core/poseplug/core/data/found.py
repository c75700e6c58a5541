"""People that a part found in scenes, and which true person each of them is."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.tensors import TensorRecord


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


def match(found: Found, batch: PoseBatch, radius: float, *, score: float = 0.0, by: str = "root") -> Matching:
    """Return which found person is which true one.

    Within a scene, in order of score, each found person takes the nearest true one who is free and within the radius.
    Whoever scores ``score`` or less is nobody. Nothing waits for the device.

    Args:
        found: whom a part found.
        batch: the true people, with 3D joints.
        radius: metres; at this distance they still match.
        score: below it, or at it, nobody is found.
        by: the distance: of the "root"s, or the mean one of the "joints", absolute ones, which must then be lifted.
    """
    of_people = torch.full((len(batch),), -1, dtype=torch.int64, device=batch.device)
    of_found = torch.full((len(found),), -1, dtype=torch.int64, device=batch.device)
    if not len(batch) or not len(found):
        return Matching(of_people, of_found)
    scenes = batch.num_scenes
    people = _table(batch.scene_rows, torch.arange(len(batch), device=batch.device), scenes, batch.places.most)
    best_first = torch.argsort(found.score, descending=True, stable=True)
    candidates = _table(found.scene[best_first], best_first, scenes, found.most)
    distance = _distances(found, batch, by, candidates, people)
    possible = (candidates >= 0) & (found.score[candidates] > score)
    possible = possible[:, :, None] & (people >= 0)[:, None] & (distance <= radius)
    distance = torch.where(possible, distance, torch.inf)
    # In all scenes at once: the best choose, then the second best, and so on.
    for turn in range(found.most):
        nearest, column = distance[:, turn].min(1)
        takes = nearest.isfinite()
        person, finder = people.gather(1, column[:, None])[:, 0], candidates[:, turn]
        # Who takes nobody writes into a row that is cut off.
        of_people = _put(of_people, torch.where(takes, person, len(batch)), finder)
        of_found = _put(of_found, torch.where(takes, finder, len(found)), person)
        taken = takes[:, None] & (torch.arange(people.shape[1], device=batch.device) == column[:, None])
        distance = torch.where(taken[:, None], torch.inf, distance)
    return Matching(of_people, of_found)


def _table(scene: Tensor, rows: Tensor, scenes: int, most: int) -> Tensor:
    """Return for each scene the rows of those in it, in their order, [S, most]; -1 where there is nobody."""
    order = torch.argsort(scene, stable=True)
    counts = torch.zeros(scenes, dtype=torch.int64, device=scene.device).index_add_(0, scene, torch.ones_like(scene))
    place = torch.arange(len(scene), device=scene.device) - (counts.cumsum(0) - counts)[scene[order]]
    table = torch.full((scenes, most), -1, dtype=torch.int64, device=scene.device)
    table[scene[order], place] = rows[order]
    return table


def _distances(found: Found, batch: PoseBatch, by: str, candidates: Tensor, people: Tensor) -> Tensor:
    """Return the distances [S, K, P] in metres between found and true people of each scene; any where there is none."""
    if by == "root":
        return _length(found.root[candidates][:, :, None] - batch.root[people][:, None])
    if found.joints_3d is None:
        raise ValueError("by='joints' compares poses, and these people are not lifted yet")
    return _length(found.joints_3d[candidates][:, :, None] - batch.absolute[people][:, None]).mean(-1)


def _length(vectors: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return length


def _put(values: Tensor, where: Tensor, what: Tensor) -> Tensor:
    """Return values [N] with others in some places; the place N is no place."""
    return torch.cat([values, values[:1]]).scatter(0, where, what)[:-1]
