"""PoseAug against plain augmentation, from lab to wild: the shape of the paper's Tables 4 to 7 on open motion capture.

    python benchmarks/studies/poseaug/study.py --mocap FOLDER --out runs/poseaug --size small

FOLDER holds Bandai Namco's `lab` and `wild` (CC BY-NC 4.0). Train on `lab`, every fifth clip kept for testing; test on
those and on all of `wild`, each seen by the four training cameras ("own") and by random ones. Every row of a lifter has
as many lifter updates. Every cell is a run directory; finished cells are kept and interrupted ones are resumed, so the
command can be repeated. It writes tables.md and bars.png into --out; figures.py draws what a finished run's augmentor
does. Size `small` is for two CPU cores, `full` for a CUDA GPU, `tiny` only to try the study.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
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
    parser.add_argument("--table-only", action="store_true", help="write tables and figure of what is finished")
    arguments = parser.parse_args()
    size = SIZES[arguments.size]
    asked = cells(size, tuple(arguments.lifters))
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.table_only:
        for number, cell in enumerate(asked):
            began = time.monotonic()
            if train(cell, size, arguments.mocap.absolute(), arguments.out, arguments.device):
                print(f"{number + 1}/{len(asked)} {cell.folder}: {time.monotonic() - began:.0f} s", flush=True)
    results = read(asked, arguments.out)
    text = markdown(results, arguments.size, size)
    (arguments.out / "tables.md").write_text(text, encoding="utf-8")
    draw_bars(results, arguments.out / "bars.png")
    print(text)


def train(cell: Cell, size: Size, mocap: Path, out: Path, device: str) -> bool:
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
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return True


if __name__ == "__main__":
    main()
