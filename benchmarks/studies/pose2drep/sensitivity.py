"""Which predicted depths answer to which 2D joint? The paper's section 5 for the finished cells of a grid, any lifter.

    python benchmarks/studies/pose2drep/sensitivity.py runs/pose2drep --cells Full Ind-LT \\
        --on bvh:path=FOLDER,split=test --out pictures

A joint is moved along the ray from the root, by -5 to +5 per cent of its distance, the others stay; so does what counts
as 1 in normalised coordinates, so that a lifter of independent parts answers across parts with exactly 0. It writes
sensitivity.nc, sensitivity.md, curves.png (the paper's Figs. 2 and 3) and matrix.png (the mean answer at +5 %).
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import attrs
import matplotlib as mpl
import numpy as np
import torch
import xarray
from curves import take
from matplotlib import pyplot as plt
from tables import table
from torch import Tensor

from poseplug.core.data.normalise import extents
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.evaluation.joint_errors import MILLIMETRES
from poseplug.core.evaluation.results import write_dataset
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.projection import projected
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.config.resolve import construct, find_part
from poseplug.registry.config.spec_syntax import parse_spec
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.saved_model import open_run
from poseplug_pose2drep.depth_head import DepthHead

Depths = Callable[[PoseBatch], Tensor]
DELTAS = tuple(round(0.01 * step, 2) for step in range(-5, 6))
WIDE = tuple(round(0.05 * step, 2) for step in range(-20, 21))
AT = 0.05  # the change at which the matrices are taken
PARTS = ("right_leg", "left_leg", "torso", "left_arm", "right_arm")
METRIC, NORMALISED = "mm", "ppt"  # 1/1000 of the pose's extent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path, metavar="GRID", help="the folder that poseplug ablate wrote")
    parser.add_argument("--cells", nargs="+", help="their labels, joined by a comma; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--on", required=True, metavar="SOURCE", help="poses to try, as for poseplug eval")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--poses", type=int, default=4096, help="how many of the source's poses; 0 means all")
    parser.add_argument("--wide", action="store_true", help="from 0 to 2 times the distance from the root")
    arguments = parser.parse_args()
    cells = xarray.load_dataset(arguments.grid / "results.nc").sel(seed=arguments.seed)
    factors, catalogue, device, parts = list(cells.state.dims), load_catalogue(), torch.device("cpu"), {}
    for labels in itertools.product(*(cells[name].values for name in factors)):
        cell, name = cells.sel(dict(zip(factors, labels, strict=True))), ",".join(map(str, labels))
        if cell.state == "done" and name in (arguments.cells or [name]):
            plan, model = open_run(RunDirectory(Path(cell.folder.item())), catalogue, device)
            context = BuildContext(skeleton=model.skeleton, seed=plan.settings.seed)
            source = construct(find_part(catalogue, "source", parse_spec(arguments.on)), context)
            batch = take(projected(source, plan.settings.projection), arguments.poses, device)
            depths, unit = depths_of(model.requires_grad_(False))
            parts[name] = study(depths, batch, WIDE if arguments.wide else DELTAS).assign(unit=unit)
    found = xarray.concat(parts.values(), "run", join="exact").assign_coords(run=list(parts)).set_coords("unit")
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_dataset(arguments.out / "sensitivity.nc", found)
    draw_matrices(found, model.skeleton, arguments.out / "matrix.png")
    draw_curves(found, landmarks(model.skeleton), arguments.out / "curves.png")
    text = markdown(found, model.skeleton, f"{arguments.on}, {len(batch)} poses.")
    (arguments.out / "sensitivity.md").write_text(text, encoding="utf-8")
    print(text)


def depths_of(model: LiftingModel) -> tuple[Depths, str]:
    """Return what gives a model's root-relative depths [N, J] of a batch, and their unit.

    The depth of a lifter that predicts nothing else is taken before poses are brought to body size: the size depends on
    all joints at once, and would make every depth answer to every joint.
    """

    def depths(batch: PoseBatch) -> Tensor:
        lifted: Tensor = model.lifter(model.normaliser(batch), **model.inputs.read(model.lifter.reads, batch))
        depth = lifted[..., 2] - lifted[:, model.skeleton.root, None, 2]
        # Of lifters of depth alone, in 1/1000 of the normalised pose.
        return MILLIMETRES * (depth * model.head.sign if isinstance(model.head, DepthHead) else depth)

    return depths, NORMALISED if isinstance(model.head, DepthHead) else METRIC


def moved(batch: PoseBatch, joint: int, delta: float) -> PoseBatch:
    """Return the poses with one joint at 1 + delta times its place about the root, and the extent that they had."""
    root, pixels = batch.joints_2d[:, batch.skeleton.root], batch.joints_2d.clone()
    pixels[:, joint] = root + (1 + delta) * (pixels[:, joint] - root)
    extent = extents(batch.joints_2d, batch.skeleton.root) if batch.extent is None else batch.extent
    return attrs.evolve(batch, joints_2d=pixels, extent=extent)


def ordered(skeleton: Skeleton) -> list[int]:
    """Return all joints but the root, by part of the body: legs, torso, arms, and what is in none of them."""
    named = [skeleton.index(joint) for part in PARTS for joint in skeleton.parts.get(part, ())]
    order = dict.fromkeys([*named, *range(skeleton.num_joints)])
    return [joint for joint in order if joint != skeleton.root]


@torch.no_grad()
def study(depths: Depths, batch: PoseBatch, deltas: Sequence[float] = DELTAS) -> xarray.Dataset:
    """Return how depths answer to every joint but the root, moved one at a time.

    Args:
        depths: batch -> root-relative depths [N, J]; poses do not influence each other.
        batch: the poses to move.
        deltas: relative changes; AT is one of them.

    Returns:
        ``signed`` and ``absolute`` (input, delta, output): mean change of depth, and mean of its absolute value;
        ``low`` and ``high``: between them lie four fifths of the changes; ``matrix`` (input, output): ``absolute`` at
        AT. ``input`` and ``output`` are joint names, by part.
    """
    order = ordered(batch.skeleton)

    def all_depths(poses: PoseBatch) -> Tensor:
        # Equal rows in equal places give equal bits, so what a joint does not touch changes by exactly 0.
        return torch.cat([depths(poses.select(slice(i, i + 4096))) for i in range(0, len(poses), 4096)])[:, order]

    def summary(change: Tensor) -> Tensor:
        return torch.cat([change.mean(0)[None], change.abs().mean(0)[None], change.quantile(deciles, dim=0)])

    still, deciles = all_depths(moved(batch, order[0], 0.0)), batch.joints_2d.new_tensor([0.1, 0.9])
    curves = [torch.stack([summary(all_depths(moved(batch, i, d)) - still) for d in deltas]) for i in order]
    names = [batch.skeleton.joints[joint] for joint in order]
    coords = {"input": names, "delta": list(deltas), "kind": ["signed", "absolute", "low", "high"], "output": names}
    found = xarray.DataArray(torch.stack(curves).numpy(force=True), coords, tuple(coords)).to_dataset("kind")
    return found.assign(matrix=found.absolute.sel(delta=AT, drop=True))


def markdown(found: xarray.Dataset, skeleton: Skeleton, about: str) -> str:
    """Return the table: how strongly depths answer to their own joint, to others of their half, and across halves."""
    legs = [joint for part, joints in skeleton.parts.items() if part.endswith("leg") for joint in joints]
    elbow, ankle, opposite = landmarks(skeleton)
    rows = []
    for run in found.run.values:
        matrix = found.matrix.sel(run=run)
        own, same, across = halves(matrix, legs)
        far = float(matrix.sel(input=elbow, output=opposite) / matrix.sel(input=elbow, output=elbow))
        near = float(matrix.sel(input=ankle, output=ankle)) / own
        figures = [*(f"{value:.3g}" for value in (own, same, across)), *(f"{v:.2f}" for v in (across / own, far, near))]
        rows.append([run, matrix.unit.item(), *figures])
    ratios = ("across / own", f"{elbow}: {opposite} / {elbow}", f"{ankle}: {ankle} / mean own")
    lines = table(("run", "unit", "own", "same", "across", *ratios), rows)
    return "\n".join(["# Sensitivity to one 2D joint at a time\n", f"{about}\n", *lines])


def halves(matrix: xarray.DataArray, half: Sequence[str]) -> tuple[float, ...]:
    """Return the mean answer (input, output) of the moved joint, of others in its half, and of the other half."""
    same, own = matrix.input.isin(half) == matrix.output.isin(half), matrix.input == matrix.output
    return tuple(float(matrix.where(which).mean()) for which in (own, same & ~own, ~same))


def landmarks(skeleton: Skeleton) -> tuple[str, str, str]:
    """Return the left elbow, the left and the right ankle."""
    parts = skeleton.parts
    return parts["left_arm"][len(parts["left_arm"]) // 2], parts["left_leg"][-1], parts["right_leg"][-1]


def draw_matrices(found: xarray.Dataset, skeleton: Skeleton, path: Path) -> None:
    """Draw a matrix (input, output) of every run; what does not answer at all is white, lines divide the parts."""
    figure, axes = plt.subplots(
        1, found.sizes["run"], figsize=(4.8 * len(found.run), 4.4), squeeze=False, layout="constrained"
    )
    part_of = {joint: part for part, joints in skeleton.parts.items() for joint in joints}
    names = [str(name) for name in found.input.values]
    for axis, run in zip(axes[0], found.run.values, strict=True):
        one, alike = found.matrix.sel(run=run), found.matrix.where(found.unit == found.unit.sel(run=run))
        colours = mpl.colormaps["magma_r"].with_extremes(bad="white")
        picture = axis.imshow(np.ma.masked_equal(one, 0.0), cmap=colours, vmin=0, vmax=float(alike.max()))
        axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axis.set_yticks(range(len(names)), names, fontsize=7)
        for edge in (i for i in range(1, len(names)) if part_of.get(names[i]) != part_of.get(names[i - 1])):
            axis.axhline(edge - 0.5, color="#222222", linewidth=0.8)
            axis.axvline(edge - 0.5, color="#222222", linewidth=0.8)
        axis.set(title=run, xlabel="depth predicted for", ylabel="2D joint moved")
        figure.colorbar(picture, ax=axis, shrink=0.8, label=f"depth, {one.unit.item()}")
    figure.suptitle(f"Mean |change of depth| when one 2D joint moves by {AT:+.0%}", fontsize=10)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_curves(found: xarray.Dataset, shown: tuple[str, str, str], path: Path) -> None:
    """Draw what moving the left elbow and the left ankle does to depths: mean |change|; mean, and its four fifths."""
    runs = found.run.values
    figure, axes = plt.subplots(len(runs), 4, figsize=(13, 2.7 * len(runs) + 0.6), squeeze=False, layout="constrained")
    for row, run in zip(axes, runs, strict=True):
        for column, axis in enumerate(row):
            for number, joint in enumerate(shown):
                one = found.sel(run=run, input=shown[column // 2], output=joint)
                curve = one.signed if column % 2 else one.absolute
                axis.plot(one.delta * 100, curve, color=f"C{number}", label=joint)
                if column % 2:
                    axis.fill_between(one.delta * 100, one.low, one.high, color=f"C{number}", alpha=0.15, linewidth=0)
            axis.set_title(
                f"{shown[column // 2]} moved: {'mean change' if column % 2 else 'mean |change|'}", fontsize=8
            )
        row[0].set_ylabel(f"{run}\ndepth, {found.unit.sel(run=run).item()}", fontsize=8)
    axes[0][0].legend(fontsize=7, title="depth of", title_fontsize=7)
    figure.supxlabel("change of the 2D joint, %", fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
