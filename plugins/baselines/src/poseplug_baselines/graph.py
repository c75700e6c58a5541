"""Graphs of joints and of body parts, and the neighbour classes of Cai et al. (ICCV 2019)."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton

NUM_CLASSES = 4


@attrs.frozen
class Graph:
    """An undirected graph with a centre and mirrored nodes.

    Attributes:
        size: number of nodes.
        links: pairs of neighbours.
        mirrored: pairs of nodes that a mirror image exchanges.
        centre: the node from which distances count.
    """

    size: int
    links: tuple[tuple[int, int], ...]
    mirrored: tuple[tuple[int, int], ...]
    centre: int

    def distances(self) -> list[int]:
        """Return how many links each node is away from the centre."""
        distance = [-1] * self.size
        distance[self.centre] = 0
        queue = [self.centre]
        for node in queue:
            for neighbour in sorted({j for link in self.links if node in link for j in link}):
                if distance[neighbour] < 0:
                    distance[neighbour] = distance[node] + 1
                    queue.append(neighbour)
        return distance

    def adjacency(self) -> Tensor:
        """Return A [4, size, size]: A[k, target, source] is how much class k of a target's neighbours counts.

        Classes: 0 the node itself (and neighbours as far from the centre as it is); 1 neighbours farther from the
        centre; 2 neighbours closer to it; 3 the mirror image. All neighbours of a target count alike, together 1.
        """
        adjacency = torch.zeros(NUM_CLASSES, self.size, self.size)
        distance = self.distances()
        adjacency[0].fill_diagonal_(1)
        for link in self.links:
            for target, source in (link, link[::-1]):
                away = distance[source] - distance[target]
                adjacency[0 if not away else 1 if away > 0 else 2, target, source] = 1
        for pair in self.mirrored:
            for target, source in (pair, pair[::-1]):
                adjacency[:, target, source] = 0
                adjacency[3, target, source] = 1
        return adjacency / adjacency.sum((0, 2))[None, :, None]


def with_neck(skeleton: Skeleton) -> Skeleton:
    """Return the skeleton with a joint Neck between Thorax and Head, if it has these two joined and no Neck."""
    names = skeleton.joints
    if "Neck" in names or "Head" not in names or skeleton.parents[names.index("Head")] != "Thorax":
        return skeleton
    head = names.index("Head")
    return attrs.evolve(
        skeleton,
        name=f"{skeleton.name}+Neck",
        joints=(*names[:head], "Neck", *names[head:]),
        parents=(*skeleton.parents[:head], "Thorax", "Neck", *skeleton.parents[head + 1 :]),
        parts={name: _neck_before_head(part) for name, part in skeleton.parts.items()},
    )


def _neck_before_head(part: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for joint in part for name in (("Neck", "Head") if joint == "Head" else (joint,)))


def joint_graph(skeleton: Skeleton) -> Graph:
    """Return the graph of the skeleton's joints."""
    mirrored = tuple((skeleton.index(left), skeleton.index(right)) for left, right in skeleton.pairs)
    return Graph(skeleton.num_joints, skeleton.bones, mirrored, _centre(skeleton))


def part_graph(skeleton: Skeleton, parts: tuple[tuple[int, ...], ...]) -> Graph:
    """Return the graph of body parts: linked where a bone joins them, around the part that holds the centre."""
    part_of = part_index(parts)
    links = {(part_of[parent], part_of[child]) for parent, child in skeleton.bones}
    images = [{skeleton.flip_index[joint] for joint in part} for part in parts]
    size = range(len(parts))
    mirrored = tuple((i, j) for i in size for j in size if i < j and images[i] == set(parts[j]))
    between = tuple(sorted({(min(link), max(link)) for link in links if link[0] != link[1]}))
    return Graph(len(parts), between, mirrored, part_of[_centre(skeleton)])


def part_index(parts: tuple[tuple[int, ...], ...]) -> list[int]:
    """Return for each joint the part it belongs to."""
    return [part for _, part in sorted((joint, number) for number, part in enumerate(parts) for joint in part)]


def body_parts(skeleton: Skeleton) -> tuple[tuple[int, ...], ...]:
    """Return the body parts as groups of joint indices, every joint in exactly one.

    They are the skeleton's own. One without parts has a limb for every tip, up to but not including the first joint
    that branches or is the centre, and a trunk of all other joints.

    Raises:
        PoseplugError: the skeleton's parts overlap or leave joints out.
    """
    if not skeleton.parts:
        return _limbs_and_trunk(skeleton)
    listed = sorted(joint for part in skeleton.parts.values() for joint in part)
    if listed != sorted(skeleton.joints):
        wrong = sorted({j for j in listed if listed.count(j) > 1} | (set(skeleton.joints) - set(listed)))
        raise PoseplugError(
            f"The stgcn lifter pools over body parts, but in skeleton '{skeleton.name}' {', '.join(wrong)} "
            "belong to none or to several; put every joint into exactly one part, or declare no parts."
        )
    return tuple(tuple(skeleton.index(joint) for joint in part) for part in skeleton.parts.values() if part)


def _limbs_and_trunk(skeleton: Skeleton) -> tuple[tuple[int, ...], ...]:
    graph = joint_graph(skeleton)
    distance = graph.distances()
    neighbours = [sorted({j for link in graph.links if i in link for j in link} - {i}) for i in range(graph.size)]
    limbs: list[tuple[int, ...]] = []
    for tip in range(graph.size):
        limb: list[int] = []
        joint = tip
        while joint != graph.centre and len(neighbours[joint]) <= (2 if limb else 1):
            limb.insert(0, joint)
            joint = min(neighbours[joint], key=lambda j: distance[j])
        if limb:
            limbs.append(tuple(limb))
    trunk = tuple(j for j in range(graph.size) if not any(j in limb for limb in limbs))
    return (*limbs, trunk)


def _centre(skeleton: Skeleton) -> int:
    return skeleton.index(skeleton.centre) if skeleton.centre else skeleton.root
