"""The input ``maps``, drawn from key points: what the second stage is trained on, and maps of any detector's people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.interfaces import BuildContext, InputProvider
from poseplug.core.settings import setting
from poseplug_virtualpose.agr.boxes import boxes_about, edge_distances, paint_boxes
from poseplug_virtualpose.agr.noise import NoiseSettings, noisy
from poseplug_virtualpose.agr.people import People2D, placed_and_seen
from poseplug_virtualpose.agr.rendering import draw_heatmaps, sigmas, truncated
from poseplug_virtualpose.maps import MAPS, Maps, cells_of, multiple_of_8

# Of the run's generators, one that nothing else draws from.
_STREAM = 0x4D41


@attrs.frozen(kw_only=True)
class RenderedMapsSettings(NoiseSettings):
    """How large maps are, and how people are drawn on them."""

    height: int = setting(128, "rows of the maps", unit="cells", check=multiple_of_8)
    width: int = setting(240, "columns of the maps", unit="cells", check=multiple_of_8)
    noise: str = setting("training", "when maps are noisy", choices=("training", "always", "never"))
    overlap: str = setting(
        "later",
        "whose box is seen where two people's roots are near: of who is later in the batch, or nearer to the camera",
        choices=("later", "nearer"),
    )
    truncate: bool = setting(False, "peaks are in the middle of their cells, as in the paper")


class RenderedMaps(InputProvider):
    """Heat maps and boxes of people whose key points are known, scene by scene.

    Boxes are those that the run provides, else they are made of the key points. Key points that are no numbers are not
    drawn. Who is nearer is told by the roots' depth, without 3D by the height of the box.
    """

    Config = RenderedMapsSettings
    provides = MAPS
    per_scene = True
    reads = frozenset({"joints_2d", "boxes", "scene", "scenes"})

    def __init__(self, config: RenderedMapsSettings, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.form = (config.height, config.width)
        self.context = context

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, object]:  # noqa: ARG003
        """Return settings of small maps, which can be tried in seconds."""
        return {"height": 32, "width": 64}

    def provide(self, batch: PoseBatch, **inputs: Any) -> Maps:
        """Return the Maps of a batch's S scenes.

        Args:
            batch: N people; there may be none, and scenes without any.
            inputs: joints_2d [N, J, 2] pixels, scene [N], scenes; boxes [N, 4] pixels, or without them.
        """
        scenes: Scenes = inputs["scenes"]
        people = self._people(batch, inputs["joints_2d"], inputs.get("boxes"), inputs["scene"], scenes)
        generator = self._draws_from()
        if generator is not None:
            people = noisy(people, batch.skeleton, self.config, generator, scenes=len(scenes), most=scenes.most)
        return self._drawn(people, batch.skeleton.root, scenes)

    def _people(
        self, batch: PoseBatch, joints: Tensor, boxes: Tensor | None, scene: Tensor, scenes: Scenes
    ) -> People2D:
        letterbox, _ = cells_of(scenes.camera, self.config.height, self.config.width)
        places, seen = placed_and_seen(letterbox.place(joints, scene))
        corners = letterbox.place(torch.stack([torch.zeros_like(scenes.camera.size), scenes.camera.size], 1))[scene]
        around = boxes_about(places, seen, corners[:, 0], corners[:, 1])
        if boxes is not None:
            given = letterbox.place(boxes.view(-1, 2, 2), scene).flatten(1)
            around = torch.where(given.isfinite().all(-1, keepdim=True), given, around)
        depth = None if batch.joints_3d is None else batch.root[:, 2]
        return People2D(
            places,
            seen.to(places.dtype),
            sigmas(places, seen, self.config.width),
            places[:, batch.skeleton.root],
            around,
            around[:, 3] - around[:, 1] if depth is None else -depth,
            scene,
        )

    def _draws_from(self) -> torch.Generator | None:
        if self.config.noise == "always" and self.generator is None:
            # Anew for every batch, so that equal batches have equal maps.
            return self.context.generator(_STREAM)
        return None if self.config.noise == "never" else self.generator

    def _drawn(self, people: People2D, root: int, scenes: Scenes) -> Maps:
        height, width = self.config.height, self.config.width
        letterbox, focal = cells_of(scenes.camera, height, width)
        size = (len(scenes), height, width)
        places = truncated(people.places) if self.config.truncate else people.places
        heatmaps = draw_heatmaps(places, people.sigma, people.scene, size, people.peak)
        distances = edge_distances(people.root, people.boxes)
        # Without the root's peak nobody is found; the box of one that is unknown has no place.
        painted = torch.where(people.peak[:, root, None] > 0, people.root, -torch.inf)
        boxes = paint_boxes(painted, distances, self._order(people), people.scene, size, scenes.most)
        return Maps(heatmaps, boxes, letterbox, focal)

    def _order(self, people: People2D) -> Tensor:
        if self.config.overlap == "later":
            return torch.arange(len(people), device=people.scene.device)
        return people.nearness.argsort(stable=True)
