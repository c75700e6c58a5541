"""Crossover: two poses exchange limbs, or what hangs below a joint of them (Sec. 3.2, eqs. 3 and 4)."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from poseplug.core.anatomy.limbs import Limbs

SUBTREES = ("limbs", "any")
LENGTHS = ("other", "exchanged", "own")


@attrs.frozen(eq=False)
class Genes:
    """What N poses hand on to their children, besides their torsos.

    Attributes:
        table: [4 B, N] of the B limb bones: the first coordinates of all directions, the second, the third, and then
            the lengths in metres.
    """

    table: Tensor

    @classmethod
    def of(cls, directions: Tensor, lengths: Tensor) -> Genes:
        """Return the genes of directions [3, B, N] and lengths [B, N]."""
        return cls(torch.cat([directions.flatten(0, 1), lengths]))

    @property
    def directions(self) -> Tensor:
        """[3, B, N], each in the frame of its bone; see ``LimbPose``."""
        bones = len(self.table) // 4
        return self.table[: 3 * bones].view(3, bones, self.table.shape[1])

    @property
    def lengths(self) -> Tensor:
        """[B, N] metres."""
        return self.table[len(self.table) // 4 * 3 :]

    def select(self, index: Tensor) -> Genes:
        """Return the genes of some poses."""
        return Genes(self.table.index_select(1, index))


def subtrees(limbs: Limbs, which: str = "limbs") -> tuple[tuple[int, ...], ...]:
    """Return the sets of limb bones that may be exchanged; each is as likely as the others.

    Args:
        limbs: of the skeleton.
        which: "limbs", as in the released code: both legs, both arms, and what hangs from each joint at which a bone of
            arm or leg begins, never the head. On Human3.6M's layouts these are its ten. "any", as in the paper: what
            hangs from any joint that carries a limb bone, the head's among them; from the root hang all of them.
    """
    if which == "any":
        found = [limbs.below(joint) for joint in range(limbs.skeleton.num_joints)]
        return tuple(bones for bones in found if bones)
    girdles = [
        tuple(i for i, bone in enumerate(limbs.bones) if bone.side and bone.girdle == girdle)
        for girdle in ("hips", "shoulders")
    ]
    starts = dict.fromkeys(bone.start for bone in limbs.bones if bone.side)
    return tuple(bones for bones in (*girdles, *map(limbs.below, starts)) if bones)


def subtree_table(limbs: Limbs, which: str, device: torch.device) -> Tensor:
    """Return the sets that may be exchanged as [B, Q] bool."""
    chosen = [[i in bones for bones in subtrees(limbs, which)] for i in range(len(limbs.bones))]
    return torch.tensor(chosen, device=device)


def draw_subtrees(table: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Return for each of n couples the bones that they exchange, [B, n] bool."""
    drawn = torch.randint(table.shape[1], (n,), generator=generator, device=table.device)
    return table.index_select(1, drawn)


def crossover(first: Genes, second: Genes, exchanged: Tensor, lengths: str = "other") -> Genes:
    """Return what the children on the first parents' torsos get; their siblings come of both parents turned round.

    Directions go from frame to frame as they are, so that an arm is held against the new torso as it was against its
    own.

    Args:
        first, second: N parents each.
        exchanged: [B, N] bool, the bones that come from the second parent.
        lengths: whose lengths the child has: all those of the "other" parent (released code), those of the "exchanged"
            bones (eq. 4), or all its "own".
    """
    share = exchanged.to(first.table.dtype)
    of_lengths = {"other": torch.ones_like, "own": torch.zeros_like, "exchanged": lambda own: own}[lengths](share)
    # With weights of 0 and 1 this is exact, and much faster on a CPU than torch.where.
    return Genes(torch.lerp(first.table, second.table, torch.cat([share, share, share, of_lengths])))
