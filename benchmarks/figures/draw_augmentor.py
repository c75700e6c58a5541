"""Draw what a trained augmentor does to view points, positions and bodies (PoseAug, Fig. 7): diversity.png, bodies.png.

    python benchmarks/figures/draw_augmentor.py RUN --out pictures

RUN has a checkpoint: a cell of a grid was run with --keep-checkpoints, and results.nc says which folder is whose.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib import pyplot as plt
from torch import Tensor
from torch.nn.functional import normalize

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
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run with an augmentor")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    mpl.use("Agg")
    source, made = augmented(arguments.run)
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw_diversity(source, made, arguments.out / "diversity.png")
    draw_bodies(source, made, arguments.out / "bodies.png")


def augmented(run: Path) -> tuple[PoseBatch, Augmentation]:
    """Return poses of a run's source, and what its trained augmentors make of them."""
    directory, catalogue = RunDirectory(run), load_catalogue()
    directory.check_run()
    assembly = build(make_plan(read_document(directory.experiment), catalogue), catalogue, torch.device("cpu")).assembly
    assembly.modules().load_state_dict(from_under("modules", load_tensors(directory.checkpoint)[0]))
    generator = torch.Generator().manual_seed(0)
    poses = source = assembly.source.sample(POSES, generator)
    with torch.no_grad():
        for augmentor in assembly.augmentors:
            made = augmentor.train().augment(poses, generator)
            poses = made.batch
    return source, made


def view_points(batch: PoseBatch) -> tuple[Tensor, Tensor]:
    """Return azimuth and elevation [N] of the camera as the person sees it, degrees; azimuth 0 is straight ahead."""
    named = ("Hip", "LHip", "RHip", "Thorax")
    hip, left_hip, right_hip, thorax = (batch.absolute[:, batch.skeleton.index(name)] for name in named)
    up, camera, left = normalize(thorax - hip, dim=-1), normalize(-hip, dim=-1), left_hip - right_hip
    left = normalize(left - (left * up).sum(-1, keepdim=True) * up, dim=-1)
    azimuth = torch.atan2((camera * left).sum(-1), (camera * torch.linalg.cross(left, up)).sum(-1))
    return azimuth.rad2deg(), (camera * up).sum(-1).clamp(-1, 1).asin().rad2deg()


def draw_diversity(source: PoseBatch, made: Augmentation, path: Path) -> None:
    """Draw where people are seen from, and where they are, before and after."""
    kept = made.batch if made.accepted is None else made.batch.select(made.accepted)
    figure, rows = plt.subplots(3, 2, figsize=(9, 11), sharex="row", sharey="row", layout="constrained")
    places = torch.cat([source.root, kept.root])
    low, high = places.quantile(0.01, dim=0).tolist(), places.quantile(0.99, dim=0).tolist()
    for (views, above, ahead), (title, batch) in zip(
        rows.T, {"source": source, "augmented": kept}.items(), strict=True
    ):
        views.hexbin(*view_points(batch), gridsize=40, extent=(-180, 180, -90, 90), mincnt=1, bins="log")
        views.set(title=f"{title}: view points", xlabel="azimuth, degrees", ylabel="elevation, degrees")
        x, y, z = batch.root.T
        above.scatter(x, z, s=2, alpha=0.4)
        above.set(title="positions from above", xlabel="x, m", ylabel="z, m", xlim=(low[0], high[0]), ylim=(0, high[2]))
        ahead.scatter(x, -y, s=2, alpha=0.4)
        ahead.set(title="from the camera", xlabel="x, m", ylabel="height, m", ylim=(-high[1], -low[1]))
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_bodies(source: PoseBatch, made: Augmentation, path: Path) -> None:
    """Draw accepted poses: the source, after the bone operators, and as the camera sees the final one."""
    chosen = (torch.arange(len(source)) if made.accepted is None else made.accepted.nonzero().flatten())[:SHOWN]
    stages = {"source": source, "bones": made.stages.get("bones", made.batch), "final": made.batch}
    figure, rows = plt.subplots(3, SHOWN, figsize=(2 * SHOWN, 6.9), squeeze=False, layout="constrained")
    for axes, (title, batch) in zip(rows, stages.items(), strict=True):
        for axis, joints in zip(axes, batch.root_relative[chosen], strict=False):
            for parent, child in batch.skeleton.bones:
                side = batch.skeleton.joints[child]
                colour = {"L": "tab:blue", "R": "tab:red"}.get(side[0] if side[1:2].isupper() else "", "black")
                axis.plot(joints[[parent, child], 0], -joints[[parent, child], 1], color=colour)
            axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), xticks=[], yticks=[], aspect="equal")
        axes[0].set_ylabel(title)
    figure.suptitle("Source, after the bone-angle operator, and final, as the camera sees them")
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
