"""Does a small backbone learn to find people in drawn scenes? Trains one, and says how many it finds and where.

python benchmarks/studies/virtualpose/drawn_scenes.py --steps 600 --out runs/drawn-scenes.json

Scenes are those of the source virtual_scenes with figures of capsules for people, of the embedded reference; those that
are measured are other ones of the same kind. Left limbs are darker than right ones there, so nothing is mirrored.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.builtin import Builtin, BuiltinSettings
from poseplug_virtualpose.agr.decoding import decode, joints_in_boxes
from poseplug_virtualpose.backbone.backbone import STRIDE, Backbone, BackboneSettings
from poseplug_virtualpose.backbone.losses import targets_of
from poseplug_virtualpose.maps import Maps
from poseplug_virtualpose.scenes.virtual_scenes import VirtualScenes, VirtualScenesSettings

# Cells; who is found nearer to a root is that person. Score from which somebody is found.
_NEAR, _SCORE = 2.0, 0.3
_JOINT = 2.0


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    canvas = (STRIDE * options.height, STRIDE * options.width)
    people = Builtin(BuiltinSettings(skeleton=options.skeleton), BuildContext())
    scenes = VirtualScenesSettings(count=options.people, images=True, canvas=canvas)
    source = VirtualScenes(scenes, BuildContext(reference=people))
    config = BackboneSettings(
        depth=options.depth, height=options.height, width=options.width, deconv_channels=options.channels, flip=0.0
    )
    backbone = Backbone(config, BuildContext(skeleton=source.skeleton))
    optimiser = torch.optim.Adam(backbone.parameters(), lr=options.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.steps)
    training, test = (torch.Generator().manual_seed(seed) for seed in (options.seed, options.seed + 1))
    held_out = [source.sample(8, test) for _ in range(options.test // 8)]
    rows, began = [], time.perf_counter()
    for step in range(1, options.steps + 1):
        batch = source.sample(options.batch_size, training)
        backbone.train()
        losses = backbone.loss(backbone.provide(batch, scenes=batch.places), batch)
        optimiser.zero_grad()
        sum(losses.values()).backward()  # type: ignore[union-attr]
        optimiser.step()
        schedule.step()
        if step % options.log_every == 0 or step == options.steps:
            seconds = time.perf_counter() - began
            row = {"step": step, "seconds": round(seconds), **{k: float(v.detach()) for k, v in losses.items()}}
            rows.append(row | measured(backbone, held_out))
            print(json.dumps(rows[-1]), flush=True)
    facts = {"rows": rows, "options": vars(options) | {"out": str(options.out)}}
    facts |= {"cpu": platform.processor(), "torch": torch.__version__}
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(facts, indent=2) + "\n")


def measured(backbone: Backbone, batches: list[PoseBatch]) -> dict[str, float]:
    """Return how many people of some scenes a backbone finds, and how far off it is, in cells."""
    backbone.eval()
    with torch.inference_mode():
        found = [_of_batch(backbone.provide(batch, scenes=batch.places), batch) for batch in batches]
    hits, places, boxes, joints, alarms = (torch.cat(each).float() for each in zip(*found, strict=True))
    return {
        "recall": float(hits.mean()),
        "precision": float(hits.sum() / (hits.sum() + alarms.sum()).clamp_min(1)),
        "place_cells": float(places.mean()),
        "box_cells": float(boxes.mean()),
        "joints_within_2_cells": float(joints.mean()),
    }


def _of_batch(maps: Maps, batch: PoseBatch) -> tuple[Tensor, ...]:
    """Return who of seen people is found, their errors and which joints are near, and who is found and is nobody."""
    root = batch.skeleton.root
    detections = decode(maps, root, most=10, least=_SCORE)
    targets = targets_of(batch, maps)
    truth = maps.letterbox.place(batch.joints_2d, batch.scene_rows)
    apart = torch.cdist(truth[:, root], detections.place)
    possible = (batch.scene_rows[:, None] == detections.scene) & (detections.score > 0)
    nearest, row = torch.where(possible, apart, torch.inf).min(1)
    seen = targets.placed > 0
    hit = seen & (nearest <= _NEAR)
    edges = torch.cat([truth[:, root] - targets.distances[:, :2], truth[:, root] + targets.distances[:, 2:]], 1)
    boxes = (detections.box[row] - edges).abs().mean(1)
    joints = (joints_in_boxes(maps, detections)[row] - truth).norm(dim=-1) < _JOINT
    alarms = (detections.score > 0) & (torch.where(possible, apart, torch.inf).min(0).values > _NEAR)
    return hit[seen], nearest[hit], boxes[hit], joints[hit].flatten(), alarms[alarms]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--people", type=int, default=3, help="in each scene")
    parser.add_argument("--test", type=int, default=64, help="scenes to measure on")
    parser.add_argument("--skeleton", default="h36m17")
    parser.add_argument("--depth", type=int, default=18)
    parser.add_argument("--channels", type=int, default=64, help="of the deconvolutions")
    parser.add_argument("--height", type=int, default=32, help="of the maps, cells")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=100)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
