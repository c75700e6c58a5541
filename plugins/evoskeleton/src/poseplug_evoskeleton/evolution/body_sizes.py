"""Bodies of other sizes: what children and adults of all proportions have for bones (supplement; released code)."""

from __future__ import annotations

from functools import partial

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.kinematics import bone_lengths, bone_vectors, joints_from_bones
from poseplug.core.geometry.skeleton import Skeleton
from poseplug_evoskeleton.evolution.placement import Ground, draw_heights, in_front, place_on_floor
from poseplug_evoskeleton.evolution.threads import draw_seeds, in_threads

# Poses that are worked on at once.
_CHUNK = 1 << 12
# Bodies are measured on at most so many poses, evenly spread.
_MEASURED = 1 << 17


@attrs.frozen(eq=False)
class BodySizes:
    """Bone lengths to draw from: those of people, scaled.

    Attributes:
        templates: [T, M] median lengths of the bones of each of T people, metres; left and right alike.
        group: [M] numbers of groups of bones that are scaled together: mirror images of each other.
        size: range of the factor on a whole body.
        proportion: range of the factor on each group.
    """

    templates: Tensor
    group: Tensor
    size: tuple[float, float]
    proportion: tuple[float, float]

    @classmethod
    def of(
        cls,
        poses: PoseBatch,
        size: tuple[float, float] = (0.75, 1.15),
        proportion: tuple[float, float] = (0.95, 1.05),
    ) -> BodySizes:
        """Measure the people of a batch: those of one label "subject" are one person, all without it."""
        skeleton = poses.skeleton
        some = poses.select(slice(None, None, -(-len(poses) // _MEASURED)))
        measured, subject = bone_lengths(some.absolute, skeleton), some.labels.get("subject")
        if subject is None:
            subject = torch.zeros(len(some), dtype=torch.int64, device=some.device)
        ends_at = {child: bone for bone, (_, child) in enumerate(skeleton.bones)}
        # A mirror image may be the root in an odd skeleton; such a bone is its own.
        twins = [ends_at.get(skeleton.flip_index[child], bone) for bone, (_, child) in enumerate(skeleton.bones)]
        measured = (measured + measured[:, twins]) / 2
        templates = torch.stack([measured[subject == number].quantile(0.5, dim=0) for number in torch.unique(subject)])
        group = torch.tensor([min(pair) for pair in enumerate(twins)], device=templates.device)
        return cls(templates, group, size, proportion)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return the bone lengths [n, M] of n bodies, metres."""
        device = self.templates.device

        def uniform(bounds: tuple[float, float], *shape: int) -> Tensor:
            return torch.rand(shape, generator=generator, device=device) * (bounds[1] - bounds[0]) + bounds[0]

        person = torch.randint(len(self.templates), (n,), generator=generator, device=device)
        factors = uniform(self.proportion, n, len(self.group)).index_select(1, self.group)
        return self.templates.index_select(0, person) * factors * uniform(self.size, n, 1)


@attrs.frozen(eq=False)
class Resizing:
    """Gives some poses bones of other lengths.

    Attributes:
        bodies: to draw from.
        rate: probability that a pose gets another body.
        skeleton: the layout.
        floor: whether whoever got one is put on the floor again.
    """

    bodies: BodySizes
    rate: float
    skeleton: Skeleton
    floor: bool

    def resize(self, joints: Tensor, ground: Ground, ancestor: Tensor, generator: torch.Generator) -> None:
        """Change poses in place, but for those who would come too near to the camera.

        Args:
            joints: [N, 3, J] coordinates in the camera frame, metres.
            ground: under the captured poses.
            ancestor: [N], rows of the ground.
            generator: of the draws.
        """
        parts = torch.split(joints, _CHUNK)
        seeds = draw_seeds(len(parts), generator)
        for _ in in_threads(joints.device, partial(self._resize, ground), parts, torch.split(ancestor, _CHUNK), seeds):
            pass

    def _resize(self, ground: Ground, joints: Tensor, ancestor: Tensor, seed: int) -> None:
        generator = torch.Generator(joints.device).manual_seed(seed)
        at = (torch.rand(len(joints), generator=generator, device=joints.device) < self.rate).nonzero()[:, 0]
        before = joints.index_select(0, at)
        after = mutate_lengths(before.mT, self.bodies.draw(len(at), generator), self.skeleton).mT
        if self.floor:
            vertical = ground.vertical.index_select(0, ancestor.index_select(0, at)).t()
            after = place_on_floor(after.permute(1, 2, 0), vertical, draw_heights(len(at), generator)).permute(2, 0, 1)
        seen = in_front(after.permute(1, 2, 0))
        joints[at] = torch.where(seen[:, None, None], after, before)


def mutate_lengths(joints: Tensor, lengths: Tensor, skeleton: Skeleton) -> Tensor:
    """Return joints [N, J, 3] with bones of other lengths [N, M]; directions and root stay.

    A bone without a length has no direction and keeps none.
    """
    bones = bone_vectors(joints, skeleton)
    units = bones / torch.linalg.vector_norm(bones, dim=-1, keepdim=True).clamp_min(1e-12)
    return joints_from_bones(units * lengths[..., None], joints[:, skeleton.root], skeleton)
