"""PoseAug against plain augmentation, from lab to wild: the shape of the paper's Tables 4 to 7 on open motion capture.

    python benchmarks/studies/poseaug/study.py --mocap FOLDER --out runs/poseaug --size small --jobs 2

FOLDER holds Bandai Namco's `lab` and `wild` (CC BY-NC 4.0). Train on `lab`, every fifth clip kept for testing; test on
those and on all of `wild`, each seen by the four training cameras ("own") and by random ones. Every row of a lifter
and seed goes on from the same pre-trained lifter with as many updates.

Every cell is a run directory; finished cells are kept and interrupted ones are resumed, so the command can be repeated.
It writes tables.md and bars.png into --out; figures.py draws what a finished run's augmentor does. Size `small` is for
two CPU cores, `full` for a CUDA GPU, `tiny` only to try the study; what `small` gave is in the folder of that name.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tomli_w
from figures import draw_bars
from rows import LIFTERS, SIZES, Cell, Size, cells, experiment
from tables import markdown, read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mocap", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--lifters", nargs="+", choices=LIFTERS, default=list(LIFTERS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--jobs", type=int, default=1, help="cells to train at the same time, sharing the CPU's cores")
    parser.add_argument("--table-only", action="store_true", help="write tables and figure of what is finished")
    arguments = parser.parse_args()
    size = SIZES[arguments.size]
    asked = cells(size, tuple(arguments.lifters))
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.table_only:

        def run(cell: Cell) -> None:
            began = time.monotonic()
            if train(cell, size, arguments.mocap.absolute(), arguments.out, arguments.device, arguments.jobs):
                print(f"{cell.folder}: {time.monotonic() - began:.0f} s", flush=True)

        first = [cell for cell in asked if cell.row == "pretrained"]
        with ThreadPoolExecutor(arguments.jobs) as pool:
            for stage in (first, [cell for cell in asked if cell not in first]):
                list(pool.map(run, stage))
    results = read(asked, arguments.out)
    text = markdown(results, arguments.size, size)
    (arguments.out / "tables.md").write_text(text, encoding="utf-8")
    draw_bars(results, arguments.out / "bars.png")
    print(text)


def train(cell: Cell, size: Size, mocap: Path, out: Path, device: str, jobs: int) -> bool:
    """Train a cell unless it is finished, go on with an interrupted one; return whether there was anything to do."""
    folder = out / cell.folder
    if (folder / "result.json").exists():
        return False
    if (folder / "experiment.toml").exists():
        arguments = ["--resume", str(folder)]
    else:
        document = out / f"{cell.folder}.toml"
        document.write_text(tomli_w.dumps(experiment(cell, size, mocap, out)), encoding="utf-8")
        arguments = ["--config", str(document), "--out", str(folder)]
    command = [sys.executable, "-m", "poseplug", "run", *arguments, "--device", device]
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = {"OMP_NUM_THREADS": threads, **os.environ} if jobs > 1 else None
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    return True


if __name__ == "__main__":
    main()
