"""Pictures: the study's bars, and what a trained augmentor does to view points, positions and bodies (paper, Fig. 7).

python benchmarks/studies/poseaug/figures.py --run runs/poseaug/mlp-poseaug-0 --out pictures
"""

from __future__ import annotations

import argparse
import math
import statistics
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from rows import COLUMNS, COMPARED, LIFTERS
from tables import UNSEEN, Results, values
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import Augmentation
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.storage.tensor_file import from_under, load_tensors
from poseplug.registry.config.experiment_file import read_document
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.build import build
from poseplug.registry.runs.plan import make_plan

POSES, SHOWN = 4000, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a finished run with an augmentor")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    source, made = augmented(arguments.run)
    kept = made.batch if made.accepted is None else made.batch.select(made.accepted)
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw_diversity(source, kept, arguments.out / "diversity.png")
    draw_bodies(source, made, arguments.out / "bodies.png")


def augmented(run: Path) -> tuple[PoseBatch, Augmentation]:
    """Return poses of a run's source, and what its trained augmentors make of them."""
    directory, catalogue = RunDirectory(run), load_catalogue()
    directory.check_run()
    assembly = build(make_plan(read_document(directory.experiment), catalogue), catalogue, torch.device("cpu")).assembly
    tensors, _ = load_tensors(directory.checkpoint)
    modules = assembly.modules()
    modules.load_state_dict(from_under("modules", tensors))
    generator = torch.Generator().manual_seed(0)
    poses = source = assembly.source.sample(POSES, generator)
    with torch.no_grad():
        for augmentor in assembly.augmentors:
            made = augmentor.train().augment(poses, generator)
            poses = made.batch
    return source, made


def view_points(batch: PoseBatch) -> tuple[Tensor, Tensor]:
    """Return azimuth and elevation [N] of the camera as the person sees it, degrees; azimuth 0 is straight ahead."""
    joint = {name: batch.absolute[:, batch.skeleton.index(name)] for name in ("Hip", "LHip", "RHip", "Thorax")}
    up = torch.nn.functional.normalize(joint["Thorax"] - joint["Hip"], dim=-1)
    left = joint["LHip"] - joint["RHip"]
    left = torch.nn.functional.normalize(left - (left * up).sum(-1, keepdim=True) * up, dim=-1)
    ahead = torch.linalg.cross(left, up)
    camera = torch.nn.functional.normalize(-joint["Hip"], dim=-1)
    azimuth = torch.atan2((camera * left).sum(-1), (camera * ahead).sum(-1))
    return azimuth.rad2deg(), (camera * up).sum(-1).clamp(-1, 1).asin().rad2deg()


def draw_diversity(source: PoseBatch, kept: PoseBatch, path: Path) -> None:
    """Draw where people are seen from, and where they are, before and after."""
    figure, rows = plt.subplots(3, 2, figsize=(9, 11), sharex="row", sharey="row")
    places = torch.cat([source.root, kept.root])
    low, high = places.quantile(0.01, dim=0).tolist(), places.quantile(0.99, dim=0).tolist()
    for column, (title, batch) in enumerate({"source": source, "augmented": kept}.items()):
        azimuth, elevation = view_points(batch)
        extent = (-180.0, 180.0, -90.0, 90.0)
        rows[0][column].hexbin(azimuth, elevation, gridsize=40, extent=extent, mincnt=1, cmap="viridis", bins="log")
        rows[0][column].set(title=f"{title}: view points", xlabel="azimuth, degrees", ylabel="elevation, degrees")
        x, y, z = batch.root.T
        rows[1][column].scatter(x, z, s=2, alpha=0.4)
        rows[1][column].set(
            title=f"{title}: positions from above",
            xlabel="x, m",
            ylabel="z, m",
            xlim=(low[0], high[0]),
            ylim=(0, high[2]),
        )
        rows[2][column].scatter(x, -y, s=2, alpha=0.4)
        rows[2][column].set(
            title=f"{title}: positions from the camera", xlabel="x, m", ylabel="height, m", ylim=(-high[1], -low[1])
        )
    _save(figure, path)


def draw_bodies(source: PoseBatch, made: Augmentation, path: Path) -> None:
    """Draw accepted poses: the source, after the bone operators, and as the camera sees the final one."""
    fit = torch.arange(len(source)) if made.accepted is None else made.accepted.nonzero().flatten()
    chosen = fit[:SHOWN]
    stages = {"source": source, "bones": made.stages.get("bones", made.batch), "final": made.batch}
    figure, rows = plt.subplots(len(stages), SHOWN, figsize=(2 * SHOWN, 2.3 * len(stages)), squeeze=False)
    for axes, (title, batch) in zip(rows, stages.items(), strict=True):
        for axis, joints in zip(axes, batch.root_relative[chosen], strict=False):
            _draw_body(axis, joints, batch)
        axes[0].set_ylabel(title)
    figure.suptitle("Source, after the bone-angle operator, and final, as the camera sees them")
    _save(figure, path)


def _draw_body(axis: Axes, joints: Tensor, batch: PoseBatch) -> None:
    for parent, child in batch.skeleton.bones:
        name = batch.skeleton.joints[child]
        colour = {"L": "tab:blue", "R": "tab:red"}.get(name[0] if name[1:2].isupper() else "", "black")
        axis.plot(joints[[parent, child], 0], -joints[[parent, child], 1], color=colour, linewidth=1.5)
    axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), xticks=[], yticks=[], aspect="equal")


def draw_bars(results: Results, path: Path) -> None:
    """Draw the error on unseen motion and cameras of every lifter, by training."""
    lifters = [lifter for lifter in LIFTERS if (lifter, COMPARED[0]) in results]
    figure, axis = plt.subplots(figsize=(1.8 + 1.6 * len(lifters), 3.6))
    width = 0.8 / len(COMPARED)
    for i, row in enumerate(COMPARED):
        found = [values(results, lifter, row, UNSEEN) or [math.nan] for lifter in lifters]
        places = [x + (i - 1) * width for x in range(len(lifters))]
        spread = [statistics.stdev(v) if len(v) > 1 else 0.0 for v in found]
        axis.bar(places, [statistics.mean(v) for v in found], width, yerr=spread, capsize=3, label=row)
    axis.set_xticks(range(len(lifters)), lifters)
    axis.set(ylabel="MPJPE, mm", title=f"Trained on lab, tested on {COLUMNS[UNSEEN]} cameras")
    axis.margins(y=0.2)
    axis.legend(loc="upper center", ncols=len(COMPARED), frameon=False)
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
