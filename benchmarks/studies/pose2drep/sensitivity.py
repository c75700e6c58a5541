"""Which predicted depths answer to which 2D joint? The paper's section 5 for finished runs of any lifter.

    python benchmarks/studies/pose2drep/sensitivity.py runs/full runs/parts \\
        --on bvh:path=FOLDER,split=test --out pictures

Each joint is moved by -5 to +5 per cent of its distance from the root, the others stay. It writes sensitivity.nc (an
xarray data set with the dimension run), sensitivity.md, and pictures: curves.png (the paper's Figs. 2 and 3), and as
heat maps matrix.png (the mean answer at +5 %), per_move.png (over the length of the move) and jacobian.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import xarray
from responses import AT, DELTAS, WIDE, depths_of, ordered, study
from sensitivity_figures import draw_curves, draw_matrices
from sensitivity_table import landmarks, markdown, short_names
from subsets import take

from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.results import write_dataset
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext, PoseSource
from poseplug.core.sources.projection import projected
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.training.runtime import pick_device
from poseplug.registry.config.resolve import construct, find_part
from poseplug.registry.config.spec_syntax import parse_spec
from poseplug.registry.discovery.catalogue import Catalogue, load_catalogue
from poseplug.registry.runs.saved_model import open_run

MATRICES = {
    "matrix": f"Mean |change of depth| when one 2D joint moves by {AT:+.0%}",
    "per_move": "Mean |change of depth| over the length of the move",
    "jacobian": "Mean |d depth / d (x, y)|",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="a finished run's directory")
    parser.add_argument("--on", required=True, metavar="SOURCE", help="poses to try, as for poseplug eval")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--poses", type=int, default=4096, help="how many of the source's poses; 0 means all")
    parser.add_argument("--wide", action="store_true", help="from 0 to 2 times the distance from the root")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    try:
        found, skeleton = compare(
            arguments.runs,
            arguments.on,
            arguments.poses,
            WIDE if arguments.wide else DELTAS,
            pick_device(arguments.device),
        )
    except PoseplugError as error:
        parser.error(str(error))
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_dataset(arguments.out / "sensitivity.nc", found)
    for name, title in MATRICES.items():
        draw_matrices(found, name, title, ordered(skeleton), arguments.out / f"{name}.png")
    draw_curves(found, landmarks(skeleton), arguments.out / "curves.png")
    text = markdown(found, skeleton)
    (arguments.out / "sensitivity.md").write_text(text, encoding="utf-8")
    print(text)


def compare(
    runs: list[Path], on: str, poses: int, deltas: tuple[float, ...], device: torch.device
) -> tuple[xarray.Dataset, Skeleton]:
    """Return the study of every run, joined along ``run``, and the skeleton that they share.

    Raises:
        PoseplugError: a run is not finished, the source is no good, or the runs have different skeletons.
    """
    catalogue = load_catalogue()
    parts, skeletons = [], []
    for path in runs:
        plan, model = open_run(RunDirectory(path), catalogue, device)
        context = BuildContext(skeleton=model.skeleton, device=device, seed=plan.settings.seed)
        depths, unit = depths_of(model.requires_grad_(False))
        batch = take(projected(_source(on, catalogue, context), plan.settings.projection), poses, device)
        parts.append(study(depths, batch, deltas).assign_coords(unit=unit))
        skeletons.append(model.skeleton)
    if len(set(skeletons)) > 1:
        raise PoseplugError("These runs have different skeletons; compare runs of one skeleton at a time.")
    found = xarray.concat(parts, dim="run", coords="different", compat="equals", join="exact")
    found = found.assign_coords(run=short_names(runs), unit=("run", [str(part.unit.item()) for part in parts]))
    return found.assign_attrs(source=on, poses=len(batch)), skeletons[0]


def _source(text: str, catalogue: Catalogue, context: BuildContext) -> PoseSource:
    part = find_part(catalogue, "source", parse_spec(text))
    if issubclass(part.component, PoseSource) and part.component.needs_reference:
        raise PoseplugError(f"'{part.name}' is made from a reference; give --on a source that needs none.")
    source: PoseSource = construct(part, context)
    if source.skeleton != context.skeleton:
        raise PoseplugError(f"--on gives skeleton '{source.skeleton.name}', and the run has another one.")
    return source


if __name__ == "__main__":
    main()
