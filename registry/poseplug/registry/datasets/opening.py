"""A source as it is typed, opened outside a run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import attrs
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.stored_poses import InputFile
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import FiniteSource, PoseSource
from poseplug.registry.config.resolve import Part, construct, find_part, knowing
from poseplug.registry.config.spec_syntax import parse_spec
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.runs.context import run_context

BATCH = 4096
# So many draws in a row may hold nothing but empty scenes.
_EMPTY = 16
# Told how many poses of how many are done.
Progress = Callable[[int, int], None]


@attrs.frozen(slots=False)
class Opened:
    """A source that was opened.

    Attributes:
        said: how it is typed.
        source: the source.
        seed: of what is drawn from it.
        parts: how it was found, with its settings, and the reference that it was made from; none where it is a source
            of one's own.
    """

    said: str
    source: PoseSource
    seed: int = 0
    parts: tuple[Part, ...] = ()

    @cached_property
    def poses(self) -> int | None:
        """How many there are, one for each person of a scene; None where they have no end."""
        if not isinstance(self.source, FiniteSource):
            return None
        first = next(iter(self.source.batches(1)), None)
        if first is None or first.scenes is None:
            return len(self.source)
        return sum(map(len, self.source.batches(BATCH)))

    def in_order(self, most: int) -> Iterator[PoseBatch]:
        """Give the first poses in their order, or as many drawn ones of a source without end; at most so many.

        Scenes are given whole: where the next one does not fit, nothing comes after.
        """
        if not isinstance(self.source, FiniteSource):
            yield from self.drawn(most)
            return
        given = 0
        for batch in self.source.batches(BATCH):
            some = self._first(batch, most - given, nothing=not given)
            yield some
            given += len(some)
            if given >= most or len(some) < len(batch):
                return

    def drawn(self, n: int) -> Iterator[PoseBatch]:
        """Draw at most n poses at random, of scenes whole ones; scenes of different batches have different numbers."""
        generator, scenes, wanted, empty = torch.Generator().manual_seed(self.seed), 0, n, 0
        while n > 0:
            with torch.no_grad():
                batch = self.source.sample(min(BATCH, n), generator)
            if batch.scene is not None and batch.scenes is None:
                batch = attrs.evolve(batch, scene=batch.scene + scenes)
                scenes = int(batch.scene.max()) + 1 if batch.scene is not None else scenes
            # A source may give fewer than it was asked for, but not for ever none.
            empty = 0 if len(batch) else empty + 1
            if empty > (0 if batch.scenes is None else _EMPTY):
                raise PoseplugError(f"'{self.said}' gives no poses.")
            some = self._first(batch, n, nothing=n == wanted)
            yield some
            if len(some) < len(batch):
                return
            n -= len(some)

    def _first(self, batch: PoseBatch, most: int, *, nothing: bool) -> PoseBatch:
        """Return the first poses, at most so many, of scenes whole ones; refuse none where ``nothing`` came before."""
        if len(batch) <= most:
            return batch
        if batch.scenes is None:
            return batch.select(slice(0, most))
        people = batch.people_per_scene
        fitting = int((people.cumsum(0) <= most).sum())
        if nothing and not int(people[:fitting].sum()):
            raise PoseplugError(
                f"The first scene of '{self.said}' has {int(people[fitting])} people, and scenes stay whole; ask for "
                "as many poses at least."
            )
        return batch.select_scenes(torch.arange(fitting, device=batch.device))


def open_source(said: str | PoseSource, catalogue: Catalogue, *, seed: int = 0, reference: str = "builtin") -> Opened:
    """Open a source on the CPU.

    Args:
        said: as ``--source`` takes it, or a source of one's own.
        catalogue: where components come from.
        seed: of what it draws.
        reference: the real poses for a source that is made from some.

    Raises:
        PoseplugError: no such source, settings that it does not have or allow, or bad data.
    """
    if isinstance(said, PoseSource):
        return Opened(type(said).__name__, said, seed)
    context = run_context(catalogue, seed=seed)
    parts = [find_part(catalogue, "source", parse_spec(said))]
    if parts[0].needs_reference:
        parts.append(find_part(catalogue, "source", parse_spec(reference)))
        real = construct(parts[1], context)
        context = knowing(attrs.evolve(context, reference=real, skeleton=real.skeleton), catalogue)
    return Opened(said, construct(parts[0], context), seed, tuple(parts))


def input_files(opened: Opened) -> tuple[InputFile, ...]:
    """Return what there is to know of every file that a source was made from.

    These are the files that its settings and those of its reference name, or that lie in folders they name, and those
    that the source itself tells of.

    Raises:
        PoseplugError: one of them cannot be read.
    """
    parts = list(opened.parts)
    for part in parts:  # grows by those that its parts are made of
        parts += part.inner
    settings = [(part.config, field) for part in parts for field in attrs.fields(type(part.config))]
    named = [getattr(config, field.name) for config, field in settings if field.metadata.get("path")]
    found: dict[Path, InputFile] = {}
    for path in (*(Path(name) for name in named if name), *opened.source.further_files):
        inside = path.rglob("*") if path.is_dir() else [path]
        files = [f for f in inside if f.is_file() and not any(p.startswith(".") for p in f.relative_to(path).parts)]
        for file in sorted(set(files) - found.keys()):
            found[file] = _described(file, path.parent)
    return tuple(found.values())


def _described(file: Path, above: Path) -> InputFile:
    try:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        return InputFile(file.relative_to(above).as_posix(), file.stat().st_size, digest)
    except OSError as error:
        raise PoseplugError(f"Cannot read '{file}': {error.strerror or error}.") from None
