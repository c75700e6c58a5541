"""How exactly are joints of rendered figures located? EvoSkeleton's Table 1 in small: HRNet, + U, + U + S.

python benchmarks/studies/evoskeleton/rendered_joints.py --steps 2000 --people 2000 --out runs/rendered-joints.json

U is the super-resolution of the maps, S the soft-argmax with its training by coordinates. Figures are those of
figures.py, capsules on noise, by default with marked joints. Errors are in pixels of the crop, on figures in poses that
were not trained on; where joints are marked, of the marks that no other covers.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Mapping
from pathlib import Path

import torch
from figures import rendered_people

from poseplug.core.detection.augmentation import CropChanges
from poseplug.core.detection.crops import CropMaps
from poseplug.core.detection.labels import LabelledPeople
from poseplug.core.detection.training import DetectorTrainer, DetectorTraining
from poseplug.core.interfaces import BuildContext
from poseplug_evoskeleton.hrnet import HRNet, HRNetConfig

# Name in the paper's table, or what it would be: super-resolution, how joints are read, share of coordinate training.
ROWS = {
    "HRN": (False, "argmax", 0.0),
    "HRN + S": (False, "soft", 0.4),
    "HRN + U": (True, "argmax", 0.0),
    "HRN + U + S": (True, "soft", 0.4),
}
# Left is never right here, since colours tell the sides apart; so nothing is mirrored.
CHANGES = CropChanges(flip=0.0, scale=0.05, rotation=0.1)


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    crop = (options.height, options.width)
    training = rendered_people(options.people, 2 * options.height, options.seed, marks=options.marks)
    test = rendered_people(options.test, 2 * options.height, options.seed + 1, "test", options.marks)
    rows = {}
    for name in options.row or ROWS:
        resolved, decode, share = ROWS[name]
        config = HRNetConfig(
            width=options.channels,
            crop=crop,
            modules=tuple(options.modules),
            super_resolution=resolved,
            decode=decode,
            coordinate_share=share,
            sigma=options.sigma,
            temperature=options.temperature,
        )
        torch.manual_seed(options.seed)
        detector = HRNet(config, BuildContext(skeleton=training.skeleton))
        settings = DetectorTraining(
            steps=options.steps, batch_size=options.batch_size, lr=options.lr, seed=options.seed, log_every=50
        )
        trainer = DetectorTrainer(detector, training, settings, CHANGES, told=_tell)
        trainer.run()
        errors = crop_errors(detector, test)[test.visible]
        rows[name] = {
            "mean_px": float(errors.mean()),
            "median_px": float(errors.median()),
            "share_within_half_px": float((errors < 0.5).float().mean()),
            "seconds": trainer.seconds,
        }
        print(name, json.dumps(rows[name]), flush=True)
    facts = {
        "rows": rows,
        "options": vars(options) | {"out": str(options.out)},
        "cpu": platform.processor(),
        "torch": torch.__version__,
    }
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(facts, indent=2) + "\n")


def _tell(step: int, means: Mapping[str, float]) -> None:
    print(step, {name: round(mean, 6) for name, mean in means.items()}, flush=True)


def crop_errors(detector: HRNet, people: LabelledPeople) -> torch.Tensor:
    """Return distances [N, J] between found joints and true ones, pixels of the crop."""
    errors = []
    for rows in people.batches(64):
        maps = CropMaps.of_boxes(people.box[rows], detector.crop)
        found, _ = detector.find(people.crops(rows, maps, detector.crop, torch.device("cpu")))
        errors.append((found - maps.to_crop(people.joints[rows])).norm(dim=-1))
    return torch.cat(errors)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--modules", type=int, nargs=3, default=(1, 1, 1), help="of the stages; the paper's are 1 4 3")
    parser.add_argument("--height", type=int, default=64)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--sigma", type=float, default=3.0, help="of heat maps, pixels of the crop")
    parser.add_argument("--temperature", type=float, default=0.05)
    parser.add_argument("--marks", action=argparse.BooleanOptionalAction, default=True, help="a disc at each joint")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--row", action="append", choices=ROWS, help="only these; repeatable")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
