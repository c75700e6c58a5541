"""Draw a grid of poses of any source.

python benchmarks/figures/draw_poses.py builtin poses.png
python benchmarks/figures/draw_poses.py bvh:path=FOLDER,split=all poses.png --rows 3 --columns 8
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import attrs
import matplotlib as mpl
import torch
from torch import Tensor

from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.registry.config.resolve import construct, find_part
from poseplug.registry.config.spec_syntax import parse_spec
from poseplug.registry.discovery.catalogue import load_catalogue

mpl.use("Agg")
import matplotlib.pyplot as plt

COLOURS = {"R": "#d1495b", "L": "#2e6f95", "": "#3d3d3d"}


def draw_poses(
    joints: Tensor,
    skeleton: Skeleton,
    path: Path | str,
    titles: Sequence[str] = (),
    *,
    columns: int = 8,
) -> None:
    """Write a picture of poses, each in its own panel at the same scale, as the camera sees them.

    Args:
        joints: [K, J, 3] metres, camera frame (x right, y down, z forward); drawn along z, without perspective.
        skeleton: the layout; right limbs are red, left limbs blue, the rest grey.
        path: where the picture goes; its suffix decides the format.
        titles: one for each pose, or none.
        columns: panels in a row.
    """
    joints = joints.detach().cpu().double()
    columns = min(columns, len(joints))
    rows = -(-len(joints) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.35 * columns, 1.85 * rows), squeeze=False)
    half = _half_size(joints)
    for number, axis in enumerate(axes.flat):
        axis.axis("off")
        if number < len(joints):
            _draw(axis, joints[number], skeleton, half)
            axis.set_title(titles[number] if titles else "", fontsize=7, pad=2)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _half_size(joints: Tensor) -> Tensor:
    """Return half the width and height [2] of a panel that holds every pose."""
    plane = joints[..., :2]
    extent = (plane.amax(1) - plane.amin(1)).amax(0) / 2 + 0.08
    return torch.maximum(extent, extent.flip(0) * 0.6)


def _draw(axis: mpl.axes.Axes, pose: Tensor, skeleton: Skeleton, half: Tensor) -> None:
    centre = (pose[:, :2].amax(0) + pose[:, :2].amin(0)) / 2
    sides = {left: "L" for left, _ in skeleton.pairs} | {right: "R" for _, right in skeleton.pairs}
    # Far bones first, so that near ones cover them.
    for parent, child in sorted(skeleton.bones, key=lambda bone: -float(pose[list(bone), 2].sum())):
        colour = COLOURS[sides.get(skeleton.joints[child], "")]
        xs, ys = pose[[parent, child], 0], pose[[parent, child], 1]
        axis.plot(xs, ys, color=colour, linewidth=2.2, solid_capstyle="round")
    if "Head" in skeleton.joints:
        head = pose[skeleton.index("Head")]
        axis.plot(head[:1], head[1:2], "o", color=COLOURS[""], markersize=5)
    axis.set_xlim(float(centre[0] - half[0]), float(centre[0] + half[0]))
    axis.set_ylim(float(centre[1] + half[1]), float(centre[1] - half[1]))
    axis.set_aspect("equal")


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw a grid of random poses of a source.")
    parser.add_argument("source", help="for example builtin or bvh:path=FOLDER")
    parser.add_argument("--reference", default="builtin", help="for sources that are made from one")
    parser.add_argument("picture", help="file to write")
    parser.add_argument("--rows", type=int, default=3)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    part, reference = (
        find_part(load_catalogue(), "source", parse_spec(text)) for text in (arguments.source, arguments.reference)
    )
    context = BuildContext(seed=arguments.seed)
    if part.component.needs_reference:
        real = construct(reference, context)
        context = attrs.evolve(context, reference=real, skeleton=real.skeleton)
    source = construct(part, context)
    generator = torch.Generator().manual_seed(arguments.seed)
    batch = source.sample(arguments.rows * arguments.columns, generator)
    titles = []
    if "action" in batch.labels and "action" in source.label_names:
        titles = [source.label_names["action"][number] for number in batch.labels["action"].tolist()]
    draw_poses(batch.root_relative, batch.skeleton, arguments.picture, titles, columns=arguments.columns)


if __name__ == "__main__":
    main()
