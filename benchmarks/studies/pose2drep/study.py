"""What should a lifter see at once? "Optimising 2D Pose Representation", Tables 1 and 2 and section 6, on open mocap.

    python benchmarks/studies/pose2drep/study.py --mocap FOLDER --out runs/pose2drep --size small

FOLDER holds Bandai Namco's `lab` and `wild` (CC BY-NC 4.0). Five representations, and one with the wrong sign that the
released code has, learn depth from 2D poses of `lab` alone, without a label; five seeds each, trained side by side.
While they train they are evaluated at every epoch. Every row is a run directory; finished rows are kept and interrupted
ones are resumed, so the command can be repeated. It writes tables.md, curves.nc, stability.png and bars.png into --out.
Size `small` is for two CPU cores (with --jobs 2), `full` for a CUDA GPU, `tiny` only to try the study.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import torch
from curves import dataset, read_all
from figures import draw_bars, draw_stability
from rows import ROWS, SIZES, Size, experiment, folder_of
from subsets import link_clips, take
from tables import HELD_OUT, SETS, markdown
from watch import Watch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.results import write_dataset
from poseplug.core.interfaces import BuildContext, FiniteSource
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.sources.projection import projected
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.training.runtime import pick_device
from poseplug.registry.config.resolve import construct, find_part
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.execute import execute
from poseplug.registry.runs.plan import make_plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mocap", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--jobs", type=int, default=1, help="rows to train at the same time, sharing the CPU's cores")
    parser.add_argument("--table-only", action="store_true", help="write tables and pictures of what is finished")
    arguments = parser.parse_args()
    try:
        if not arguments.table_only:
            device, size = pick_device(arguments.device), SIZES[arguments.size]
            train_all(arguments.rows, size, arguments.mocap, arguments.out, device, arguments.jobs)
    except PoseplugError as error:
        parser.error(str(error))
    found = read_all(arguments.rows, arguments.out)
    if not found:
        parser.error(f"'{arguments.out}' holds no finished row yet.")
    text = markdown(found, arguments.size, SIZES[arguments.size])
    (arguments.out / "tables.md").write_text(text, encoding="utf-8")
    write_dataset(arguments.out / "curves.nc", dataset(found))
    draw_stability(found, arguments.out / "stability.png")
    draw_bars(found, arguments.out / "bars.png")
    print(text)


def train_all(rows: list[str], size: Size, mocap: Path, out: Path, device: torch.device, jobs: int) -> None:
    """Train every row that is not finished, ``jobs`` at a time; go on with those that were interrupted.

    Raises:
        PoseplugError: data or plugins are missing.
    """
    link_clips(mocap, out, size.thinning)
    missing = [row for row in rows if not RunDirectory(out / folder_of(row)).result.exists()]
    if jobs == 1:
        for number, row in enumerate(missing):
            print(f"{number + 1}/{len(missing)} {row}: {train(row, size, mocap, out, device):.0f} s", flush=True)
        return
    threads = max(1, torch.get_num_threads() // jobs)
    # Started afresh: a copy of a process that has used its threads, or a GPU, may hang.
    workers = ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (threads,))
    with workers as pool:
        started = {pool.submit(train, row, size, mocap, out, device): row for row in missing}
        for number, done in enumerate(as_completed(started)):
            print(f"{number + 1}/{len(missing)} {started[done]}: {done.result():.0f} s", flush=True)


def train(row: str, size: Size, mocap: Path, out: Path, device: torch.device) -> float:
    """Train one row, all its seeds at once, from wherever it stands; return the seconds that it took."""
    began = time.monotonic()
    catalogue, clips = load_catalogue(), link_clips(mocap, out, size.thinning)
    plan = make_plan(experiment(row, size, clips), catalogue)
    watched = watched_poses(out, size, device)
    seen = {label: projected(table, plan.settings.projection) for label, table in watched.items()}
    watched = {label: table_of(source) for label, source in seen.items()}
    watch = Watch(watched, next(iter(SETS)), size.every)
    directory = RunDirectory(out / folder_of(row))
    execute(
        plan,
        catalogue,
        device,
        directory,
        resume=directory.experiment.exists(),
        hooks={"watch": watch},
        warn=print,
        began=watch.begin,
    )
    return time.monotonic() - began


def table_of(source: FiniteSource) -> PoseTable:
    """Return all poses of a source, held in memory."""
    return PoseTable(PoseBatch.join(list(source.batches(65536))), dict(source.label_names))


@cache
def watched_poses(out: Path, size: Size, device: torch.device) -> dict[str, PoseTable]:
    """Return the poses of each set that rows are evaluated on while they train, as their cameras see them."""
    tables, catalogue = {}, load_catalogue()
    for label in (*SETS, HELD_OUT):
        spec = {"name": "bvh", "path": str(out.absolute() / "clips" / label), "split": "all"}
        source = construct(find_part(catalogue, "source", spec), BuildContext(device=device))
        tables[label] = PoseTable(take(source, size.watched, device), dict(source.label_names))
    return tables


if __name__ == "__main__":
    main()
