"""Other people's bone lengths for the same poses: the released code trains on such poses, and takes them for real."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor
from torch.nn import functional

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.kinematics import bone_vectors, joints_from_bones
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import Augmentation, Augmentor, BuildContext
from poseplug.core.settings import setting
from poseplug_poseaug.reprojection import clamping, seen

# Metres, subjects S1, S5, S6, S7, S8 of Human3.6M; left and right differ by less than 0.1 mm.
_TEMPLATES = {
    "Hip": (0.1329, 0.1193, 0.1426, 0.1359, 0.1465),
    "Knee": (0.4429, 0.4283, 0.4866, 0.4486, 0.4521),
    "Foot": (0.4542, 0.4424, 0.4615, 0.4380, 0.4386),
    "Spine": (0.2335, 0.2243, 0.2622, 0.2262, 0.2612),
    "Thorax": (0.2571, 0.2541, 0.2600, 0.2554, 0.2510),
    "Head": (0.1819, 0.1662, 0.1925, 0.1687, 0.2128),
    "Shoulder": (0.1510, 0.1431, 0.1494, 0.1397, 0.1693),
    "Elbow": (0.2789, 0.2646, 0.3010, 0.2756, 0.2899),
    "Wrist": (0.2517, 0.2486, 0.2579, 0.2473, 0.2442),
}
_THORAX = "Thorax"


def templates(skeleton: Skeleton) -> tuple[tuple[float, ...], ...]:
    """Return the bone lengths of five people, [5, M] metres; 0 marks a bone that scales with the thorax instead.

    On h36m17 neck and head are such bones: the templates have one bone for both.

    Raises:
        PoseplugError: the skeleton is neither h36m16 nor h36m17.
    """
    if skeleton not in (H36M_16, H36M_17):
        raise PoseplugError(
            f"Augmentor 'swap_lengths': its bone lengths are those of Human3.6M's subjects, and skeleton "
            f"'{skeleton.name}' is neither h36m16 nor h36m17; leave it out."
        )
    divided = ("Neck", "Head") if skeleton == H36M_17 else ()
    names = [skeleton.joints[child] for _, child in skeleton.bones]
    return tuple(
        tuple(
            0.0 if name in divided else _TEMPLATES[name.removeprefix("L").removeprefix("R")][person] for name in names
        )
        for person in range(len(_TEMPLATES[_THORAX]))
    )


@attrs.frozen(kw_only=True)
class SwapLengthsConfig:
    """Settings of the swap of bone lengths."""

    each: str = setting(
        "pose", "what gets a subject of its own: every pose, or every batch as a whole", choices=("pose", "batch")
    )


class SwapLengths(Augmentor):
    """Gives poses the bone lengths of a person drawn from the templates; directions and root stay.

    The poses' own cameras project them anew. In front of ``poseaug`` its poses are what that starts from, and what its
    discriminators take for real.
    """

    Config = SwapLengthsConfig

    lengths: Tensor

    def __init__(self, config: SwapLengthsConfig, context: BuildContext) -> None:
        super().__init__()
        self.each = config.each
        self.skeleton = skeleton = context.layout
        lengths = torch.tensor(templates(skeleton), device=context.device)
        self.register_buffer("lengths", lengths, persistent=False)
        self.thorax = [child for _, child in skeleton.bones].index(skeleton.index(_THORAX))

    def augment(self, batch: PoseBatch, generator: torch.Generator) -> Augmentation:
        n = len(batch) if self.each == "pose" else 1
        person = torch.randint(len(self.lengths), (n,), generator=generator, device=self.lengths.device)
        bones = bone_vectors(batch.absolute, self.skeleton)
        wanted = self._wanted(torch.linalg.vector_norm(bones, dim=-1), self.lengths.index_select(0, person))
        joints = joints_from_bones(functional.normalize(bones, dim=-1) * wanted[..., None], batch.root, self.skeleton)
        source = batch.under(clamping)
        return Augmentation(seen(source, joints, source.camera))

    def _wanted(self, lengths: Tensor, template: Tensor) -> Tensor:
        """Return the new lengths [N, M]: the template's, or the old ones scaled as the thorax bone is."""
        thorax = lengths[:, self.thorax, None]
        # A pose without a thorax bone has no size to tell; it keeps the lengths that no template has.
        factor = torch.where(thorax > 0, template[:, self.thorax, None] / thorax.clamp_min(1e-3), 1.0)
        return torch.where(template > 0, template, lengths * factor)
