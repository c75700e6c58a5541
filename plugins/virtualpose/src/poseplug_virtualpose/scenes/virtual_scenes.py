"""The source ``virtual_scenes``: people of another source put into scenes that nobody filmed (Sec. 4.3)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import attrs
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext, FiniteSource, PoseSource
from poseplug.core.settings import setting
from poseplug.core.sources.pose_table import PoseTable
from poseplug_virtualpose.scenes.arrangement import ArrangementSettings, arranged, root_in_image
from poseplug_virtualpose.scenes.placed import unweighted

# Scenes of a set with an end are made so many at a time, each time from a generator of their own.
_BLOCK = 64
# Drawing more at once would cost memory and gain nothing.
_MOST_AT_ONCE = 1024
# Scenes that a run is evaluated on where it names none.
_EVALUATED = 256


def _check_canvas(size: tuple[int, ...]) -> str | None:
    return None if len(size) == 2 else f"must be a height and a width, got {len(size)} numbers"


@attrs.frozen(kw_only=True)
class VirtualScenesSettings(ArrangementSettings):
    """Who stands in the scenes, and how many of them there are."""

    people: str = setting(
        "",
        "the source that people are drawn from, such as fk_generator or bvh:path=FOLDER; none: the reference",
        names="source",
    )
    count: int = setting(4, "people in each scene", minimum=1, maximum=50)
    count_max: int = setting(
        0, "people in the fullest; each scene then has count to count_max. 0: all have count", minimum=0, maximum=50
    )
    outside: str = setting(
        "drop",
        "people whose root is outside of the image are left out; or stay, with weight 0 (unweighted), or as everybody "
        "else (keep)",
        choices=("drop", "unweighted", "keep"),
    )
    length: int = setting(
        0, "make a set of so many scenes, always the same, to measure with; 0: without end", minimum=0
    )
    seed: int = setting(0, "another number draws another set", minimum=0, maximum=2**31)
    images: bool = setting(False, "draw the people as figures: each scene gets an image, for networks that read these")
    canvas: tuple[int, ...] = setting(
        (512, 960), "height and width of these images", unit="pixels", minimum=8, check=_check_canvas
    )


class VirtualScenes(PoseSource):
    """Scenes of people who are drawn from another source, turned about the vertical and put apart on the ground.

    People keep their size and their pose. Where the other source knows no world, the image's up is taken to be
    vertical and people stand on the ground. Who belongs together in the other source is forgotten.

    Raises:
        PoseplugError: no such source, one without 3D, or no reference where none is named.
    """

    Config = VirtualScenesSettings
    has_images = True

    @classmethod
    def evaluated_with(cls, config: VirtualScenesSettings) -> VirtualScenesSettings:
        """Return the settings of scenes that are always the same: of the same people, in other places."""
        return attrs.evolve(config, length=_EVALUATED, seed=(config.seed + 1) % 2**31)

    @classmethod
    def needs_reference_with(cls, config: VirtualScenesSettings) -> bool:
        """Say whether people are drawn from the reference."""
        return not config.people

    def __new__(cls, config: VirtualScenesSettings, context: BuildContext) -> Self:  # noqa: ARG004
        """Return a finite source where a length is given."""
        made: Any = super().__new__(_SetOfScenes if config.length else cls)
        return made  # type: ignore[no-any-return]

    def __init__(self, config: VirtualScenesSettings, context: BuildContext) -> None:
        self.config = config
        self.device = context.device
        if 0 < config.count_max < config.count:
            raise PoseplugError(
                f"Source 'virtual_scenes': count_max is {config.count_max}, fewer than count, {config.count}; the "
                "fullest scene has as many or more."
            )
        # An odd factor tells seeds apart in 32 bits, which is all that generators on the CPU look at.
        self.first_seed = config.seed * 0x9E3779B1
        self.most = max(config.count, config.count_max)
        self.has_images = config.images
        self.needs_reference = self.needs_reference_with(config)
        self.people = _people(config.people, context)
        if not self.people.has_3d:
            raise PoseplugError(
                f"Source 'virtual_scenes' puts 3D people into scenes, and '{config.people or 'the reference'}' gives "
                "2D only; name another with people=."
            )
        self.skeleton, self.label_names = self.people.skeleton, self.people.label_names
        self.further_files = self.people.further_files

    @classmethod
    def example_settings(cls, folder: Path) -> dict[str, str]:  # noqa: ARG003
        """Return settings to check it with."""
        return {"people": "builtin:takes=1,frames=16"}

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        return self._shown(self._drawn(n, generator), generator)

    def _drawn(self, n: int, generator: torch.Generator) -> PoseBatch:
        """Return n scenes without images."""
        starts = range(0, n, _MOST_AT_ONCE)
        return PoseBatch.join([self._arranged(min(_MOST_AT_ONCE, n - start), generator) for start in starts])

    def _arranged(self, n: int, generator: torch.Generator) -> PoseBatch:
        config = self.config
        wanted = n * self.most
        people = _alone(self.people.sample(wanted, generator), wanted, generator)
        present = None
        if config.count < self.most:
            more = torch.randint(config.count, self.most + 1, (n,), generator=generator, device=generator.device)
            present = (torch.arange(self.most, device=more.device) < more[:, None]).flatten()
        scenes = arranged(people, self.most, config, generator, present)
        if config.outside == "unweighted":
            scenes = unweighted(scenes)
        if config.outside == "drop":
            seen = root_in_image(scenes)
            present = seen if present is None else present & seen
        # How many there are is only known to the device: this waits for it, unless everybody stays.
        return scenes if present is None else scenes.select(present)

    def _shown(self, scenes: PoseBatch, generator: torch.Generator) -> PoseBatch:
        """Return the scenes with images, where these are asked for."""
        if not self.config.images or scenes.scenes is None:
            return scenes
        from poseplug_virtualpose.backbone.figures import draw_scenes  # imported where it is needed

        height, width = self.config.canvas
        image = draw_scenes(scenes, height, width, generator)
        return attrs.evolve(scenes, scenes=attrs.evolve(scenes.scenes, image=image))


class _SetOfScenes(VirtualScenes, FiniteSource):
    """A set of scenes, always the same on one kind of device; nothing is kept until somebody draws from it."""

    def __len__(self) -> int:
        return self.config.length

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        return self._shown(self._all.sample(n, generator), generator)

    def batches(self, size: int) -> Iterator[PoseBatch]:
        waiting: list[PoseBatch] = []
        held = 0
        for block in range(self._blocks):
            waiting.append(self._shown(self._block(block), self._generator(block, 1)))
            held += waiting[-1].num_scenes
            while held >= size:
                ready = PoseBatch.join(waiting)
                yield ready.select_scenes(torch.arange(size, device=self.device))
                waiting = [ready.select_scenes(torch.arange(size, held, device=self.device))]
                held -= size
        if held:
            yield PoseBatch.join(waiting)

    @cached_property
    def _all(self) -> PoseTable:
        return PoseTable(PoseBatch.join([self._block(block) for block in range(self._blocks)]))

    @property
    def _blocks(self) -> int:
        return -(-len(self) // _BLOCK)

    def _block(self, block: int) -> PoseBatch:
        """Return the scenes of a block, without images."""
        return self._drawn(min(_BLOCK, len(self) - block * _BLOCK), self._generator(block, 0))

    def _generator(self, block: int, stream: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed((self.first_seed + 2 * block + stream) & 0xFFFFFFFF)


def _people(said: str, context: BuildContext) -> PoseSource:
    """Return the source that people are drawn from; none named means the reference."""
    if said:
        if context.build is None:
            raise PoseplugError("Source 'virtual_scenes', setting 'people': a source can only be named within a run.")
        people: PoseSource = context.build("source", said)
        return people
    if context.reference is None:
        raise PoseplugError(
            "Source 'virtual_scenes' draws people from the reference, and there is none: name one with --reference, or "
            "another source with people=."
        )
    return context.reference


def _alone(people: PoseBatch, n: int, generator: torch.Generator) -> PoseBatch:
    """Return n people, each alone; of a source of scenes, some of all whom it gave."""
    if people.scenes is None:
        return people.alone()
    order = torch.rand(len(people), generator=generator, device=generator.device).argsort()
    return people.alone().select(order[torch.arange(n, device=order.device) % len(people)])
