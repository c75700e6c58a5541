"""Components that cannot be exported, or are something else then."""

import torch
from conformance.keepers import DepthRoot, TwoPartLifter


class LooksAtValues(TwoPartLifter):
    """Does one thing or another, by what it has found."""

    def forward(self, joints_2d, **inputs):
        joints = super().forward(joints_2d)
        if joints.detach().abs().max() > 1e6:
            return joints / 2
        return joints


class CountsPeople(TwoPartLifter):
    """Asks for a length, which is a number and no symbol."""

    def forward(self, joints_2d, **inputs):
        return super().forward(joints_2d).reshape(len(joints_2d), -1, 3)


class AnotherProgram(TwoPartLifter):
    """Is twice as large where it is exported."""

    def forward(self, joints_2d, **inputs):
        joints = super().forward(joints_2d)
        return joints * 2 if torch.compiler.is_compiling() else joints


class LooksAtRoots(DepthRoot):
    """Looks at how far away people are."""

    def forward(self, *, joints_2d, camera):
        roots = super().forward(joints_2d=joints_2d, camera=camera)
        return roots if roots.detach().max() < 1e9 else roots / 2


BREAKERS = {
    "export": [
        ("lifter", LooksAtValues),
        ("lifter", CountsPeople),
        ("lifter", AnotherProgram),
        ("root", LooksAtRoots),
    ]
}
