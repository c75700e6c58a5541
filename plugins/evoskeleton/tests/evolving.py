"""People to evolve, and limits to hold them to."""

from __future__ import annotations

import attrs
import torch

from poseplug.core.anatomy.limb_frames import limb_vectors, place_limbs, torso_frames
from poseplug.core.anatomy.limbs import Limbs, limbs_of
from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.geometry.kinematics import joints_from_bones
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.geometry.viewpoints import ViewRange
from poseplug.core.interfaces import BuildContext
from poseplug.core.sources.pose_table import PoseTable
from poseplug_evoskeleton.evolution.crossover import Genes
from poseplug_evoskeleton.evolution.evolved import Evolved, EvolvedSettings

SUBJECTS = 3


@attrs.frozen
class Cone:
    """Limits that allow directions whose first coordinate is below ``most``."""

    most: float = 2.0

    def valid(self, directions: torch.Tensor, limbs: Limbs) -> torch.Tensor:
        return directions[0] < self.most


def people(n: int = 120, skeleton: Skeleton = H36M_16, scatter: float = 0.25, extrinsics: bool = True) -> PoseTable:
    """Return people scattered about their rest pose, standing near the middle of a room, of SUBJECTS sizes."""
    generator = torch.Generator().manual_seed(n)
    subject = torch.arange(n) % SUBJECTS
    base = 0.15 + 0.3 * torch.rand(skeleton.num_joints, generator=generator)
    base = ((base + base[list(skeleton.flip_index)]) / 2)[[child for _, child in skeleton.bones]]
    rest = torch.tensor(skeleton.rest_directions)
    bones = rest + scatter * torch.randn(n, skeleton.num_bones, 3, generator=generator)
    bones = torch.nn.functional.normalize(bones, dim=-1) * (base * (1 + 0.1 * subject[:, None]))[..., None]
    world = joints_from_bones(bones * torch.tensor([1.0, -1.0, -1.0]), torch.zeros(n, 3), skeleton)
    world = world - torch.tensor([0.0, 1.0, 0.0]) * (world[..., 1].amin(1) - 0.02)[:, None, None]
    camera = ViewRange(distance=(4.0, 6.0)).sample(n, generator)
    joints = camera.world_to_camera(world)
    if not extrinsics:
        camera = attrs.evolve(camera, rotation=None, position=None)
    labels = {"subject": subject}
    poses = PoseBatch.seen(skeleton, joints, camera, origin=Origin.CAPTURED, labels=labels)
    return PoseTable(poses, {"subject": ("Ann", "Ben", "Cid")})


def evolved(reference: PoseTable | None = None, seed: int = 0, **settings: object) -> Evolved:
    return Evolved(EvolvedSettings(**settings), BuildContext(reference=reference or people(), seed=seed))


def everyone(source: Evolved) -> PoseBatch:
    return PoseBatch.join(list(source.batches(1000)))


def random_genes(n: int, seed: int = 0, skeleton: Skeleton = H36M_16, dtype: torch.dtype = torch.float64) -> Genes:
    generator = torch.Generator().manual_seed(seed)
    bones = len(limbs_of(skeleton).bones)
    directions = torch.randn(3, bones, n, generator=generator, dtype=dtype)
    lengths = 0.2 + torch.rand(bones, n, generator=generator, dtype=dtype)
    return Genes.of(directions / directions.norm(dim=0), lengths)


def body(torsos: torch.Tensor, genes: Genes, skeleton: Skeleton = H36M_16) -> torch.Tensor:
    """Return poses [3, J, N] by the core's functions alone."""
    limbs = limbs_of(skeleton)
    vectors = limb_vectors(torso_frames(torsos, limbs), genes.directions, genes.lengths, limbs)
    return place_limbs(torsos, vectors, limbs)
