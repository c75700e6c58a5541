"""Make folders of links to the clips of each split, for grid.toml: train, held_out, lab_test and wild.

    python benchmarks/studies/pose2drep/clips.py FOLDER --out runs/pose2drep-clips

FOLDER holds `lab` and `wild` of Bandai Namco's Motiondataset. Of the lab's clips sorted by file name every fifth is
test, as in the other studies, and the one before it is held out, to choose an epoch on; the others train.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mocap", type=Path, metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--every", type=int, default=1, help="keep every so many clips; 12 for the size tiny")
    arguments = parser.parse_args()
    folders = ((arguments.mocap / name).rglob("*.bvh") for name in ("lab", "wild"))
    lab, wild = (sorted(clips, key=lambda clip: clip.name) for clips in folders)
    train = [clip for i, clip in enumerate(lab) if i % 5 < 3]
    for split, clips in {"train": train, "held_out": lab[3::5], "lab_test": lab[4::5], "wild": wild}.items():
        if not clips:
            parser.error(f"'{arguments.mocap}' has no clip for '{split}'; expected folders 'lab' and 'wild' of .bvh.")
        (arguments.out / split).mkdir(parents=True, exist_ok=True)
        for clip in clips[:: arguments.every]:
            with suppress(FileExistsError):
                (arguments.out / split / clip.name).symlink_to(clip.absolute())


if __name__ == "__main__":
    main()
