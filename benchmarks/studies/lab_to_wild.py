"""From lab to wild: one lifter trained on captured, augmented and generated poses, tested on unseen cameras and motion.

The protocol is the project's open benchmark on Bandai Namco's motion capture (CC BY-NC 4.0): train on `lab`, every
fifth clip kept for testing, test on all of `wild`; each seen by the four training cameras ("own") and by random ones.
An MLP of 512 channels, 4000 steps of 512 poses, Adam with one-cycle to 2e-3.

    python benchmarks/studies/lab_to_wild.py --mocap FOLDER --out runs/lab-to-wild --seeds 0 1 2

FOLDER holds `lab` and `wild`. Every cell of the table is a run directory; finished cells are kept, so the command can
be repeated after an interruption. It takes about two minutes a cell on 2 cores.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

COMMON = [
    *("--lifter", "mlp:channels=512,initial=uniform", "--batch-size", "512", "--steps", "4000", "--lr", "2e-3"),
    *("--set", "lr_schedule=onecycle", "--set", "clip_norm=0"),
]
CAPTURED = ["--source", "bvh:path={lab}"]
GENERATED = ["--source", "fk_generator", "--reference", "bvh:path={lab}"]
ROWS = {
    "as captured": CAPTURED,
    "rigid, every second batch": [*CAPTURED, "--augment", "rigid:mixing=batch"],
    "rigid, every second pose": [*CAPTURED, "--augment", "rigid"],
    "rigid and jitter, every second batch": [
        *(*CAPTURED, "--augment", "rigid:mixing=batch"),
        *("--augment", "jitter:mixing=batch"),
    ],
    "rigid and jitter, every second pose": [*CAPTURED, "--augment", "rigid", "--augment", "jitter"],
    "PoseGU, generated only": GENERATED,
    "PoseGU, with the reference at weight 1": [*GENERATED, "--set", "reference_weight=1"],
    "PoseGU, with cips": [*GENERATED, "--reweight", "cips"],
}
COLUMNS = {
    "lab, own": "bvh:path={lab}",
    "lab, random": "bvh:path={lab},cameras=random",
    "wild, own": "bvh:path={wild}",
    "wild, random": "bvh:path={wild},cameras=random",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mocap", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW")
    arguments = parser.parse_args()
    paths = {name: (arguments.mocap / name).absolute() for name in ("lab", "wild")}
    print("| training | " + " | ".join(COLUMNS) + " |\n|---|" + "---|" * len(COLUMNS))
    for row in arguments.rows:
        cells = [cell(row, seed, paths, arguments.out) for seed in arguments.seeds]
        figures = [" / ".join(figure(cells, label, name) for name in ("mpjpe_mm", "p_mpjpe_mm")) for label in COLUMNS]
        print(f"| {row} | " + " | ".join(figures) + " |", flush=True)


def cell(row: str, seed: int, paths: dict[str, Path], out: Path) -> dict[str, dict[str, float]]:
    """Return the metrics of one run, by column; train it if it is not there."""
    folder = out / f"{row.replace(', ', '-').replace(' ', '-').lower()}-{seed}"
    result = folder / "result.json"
    if not result.exists():
        arguments = [*ROWS[row], *COMMON, "--seed", str(seed), "--out", str(folder)]
        for label, source in COLUMNS.items():
            arguments += ["--eval", f"{label.replace(', ', '_')}={source}"]
        if folder.exists():
            arguments = ["--resume", str(folder)]
        command = [sys.executable, "-m", "poseplug", "run", *(text.format(**paths) for text in arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    metrics = json.loads(result.read_text())["metrics"]
    return {label: metrics[label.replace(", ", "_")] for label in COLUMNS}


def figure(cells: list[dict[str, dict[str, float]]], label: str, name: str) -> str:
    """Return the mean over seeds, and the spread (standard deviation) where there are several."""
    values = [cell[label][name] for cell in cells]
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


if __name__ == "__main__":
    main()
