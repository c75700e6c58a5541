"""The source ``evolved``: EvoSkeleton's data evolution (Algorithm 1), from any reference to any size.

Li, Ke, Pratama, Tai, Tang, Cheng: Cascaded deep monocular 3D human pose estimation with evolutionary training data,
CVPR 2020, Sec. 3 and supplement. Written from the paper and from a description of what its released code does; the
README.md of this plugin says where these differ, and what is ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import torch
from torch import Tensor

from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.data.stored_poses import About
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext, FiniteSource, PoseSource
from poseplug.core.progress import tell
from poseplug.core.settings import ordered, setting
from poseplug_evoskeleton.evolution.body_sizes import BodySizes, Resizing
from poseplug_evoskeleton.evolution.breeding import Breeding, limits_of
from poseplug_evoskeleton.evolution.operator_settings import OperatorSettings
from poseplug_evoskeleton.evolution.placement import Ground
from poseplug_evoskeleton.evolution.population import Population, columns, couples, genes_of
from poseplug_evoskeleton.evolution.stored import Model, StoredEvolution, fingerprint

BODIES = ("both", "end", "none")
# Streams of random numbers: one for each generation, and one for the bodies of each.
_START, _GENERATIONS, _BODIES = 0x1FFF, 0x2000, 0x4000
_LAST = _BODIES - _GENERATIONS - 2
_AT_ONCE = 1 << 16
# So many generations without a child in a row will not be followed by one with children.
_PATIENCE = 20
_FEW = 100


@attrs.frozen(kw_only=True)
class EvolvedSettings(OperatorSettings):
    """How large the population becomes, and how; what else there is are the operators' settings."""

    times: float = setting(2.5, "poses in the end, as a multiple of those of the reference", minimum=1)
    poses: int = setting(0, "poses in the end; 0: as times says", minimum=0)
    generations: int = setting(0, "generations, however many poses these give; 0: as times or poses says", minimum=0)
    couples: float = setting(
        0.05, "couples of a generation, as a share of all poses; each has two children", above=0, maximum=0.5
    )
    bodies: str = setting(
        "both",
        "when poses get bones of other lengths: those of the reference before and all in the end (both, released "
        "code), only in the end, or never (none)",
        choices=BODIES,
    )
    bodies_rate: float = setting(0.5, "probability that a pose gets bones of other lengths", minimum=0, maximum=1)
    size: tuple[float, float] = setting(
        (0.75, 1.15), "range of the factor on the bones of a person of the reference", above=0, check=ordered
    )
    proportion: tuple[float, float] = setting(
        (0.95, 1.05), "range of a further factor on each pair of bones", above=0, check=ordered
    )
    model: str = setting(
        "",
        "a finished run; of the children of each generation only that half is kept of which its predictions are worst "
        "(the released code's active selection, off there as well)",
    )
    folder: str = setting(
        "",
        "a folder of posefiles for the poses: written generation by generation, and read instead of evolving again",
        path=True,
    )

    def __attrs_post_init__(self) -> None:
        if self.poses and self.generations:
            raise ValueError("poses and generations both say when to end; give one of them")
        if self.generations > _LAST:
            raise ValueError(f"generations must be at most {_LAST}, got {self.generations}")


class Evolved(FiniteSource):
    """The poses of the reference and their descendants.

    A child is seen by the camera that saw the parent whose torso it has, at that parent's place, and has that parent's
    labels. Poses come in the order of their generations, those of the reference first.

    Raises:
        PoseplugError: too few poses, or none with 3D; a skeleton without limbs; a folder of another evolution; no child
            is fit to live.
    """

    Config = EvolvedSettings
    needs_reference = True

    def __init__(self, config: EvolvedSettings, context: BuildContext) -> None:
        if context.reference is None:
            raise PoseplugError("evolved begins with reference poses; name some with --reference.")
        self.config, self._context = config, context
        self.skeleton, self.label_names = context.reference.skeleton, context.reference.label_names
        self._limbs, self._limits = limbs_of(self.skeleton), limits_of(config, context.device)
        self._captured = _captured(context.reference, context.generator(_START))
        self._model = _opened(config.model, context)
        self._stored: StoredEvolution | None = None
        self._population: Population | None = None
        self._figures: dict[str, float] = {}
        if config.folder:
            facts = fingerprint(config, context, self._limits, self._captured, self._model)
            about = About(skeleton=self.skeleton, label_names=self.label_names, made_by="evolved")
            self._stored = StoredEvolution(Path(config.folder), facts, about, context.device)
        if self._stored is None or not self._stored.complete:
            self._evolve()

    def diagnostics(self) -> Mapping[str, float]:
        """Return the number of generations, and the share of children that were fit to live."""
        return self._figures if self._stored is None else self._stored.figures

    def __len__(self) -> int:
        if self._population is not None:
            return self._population.count
        return len(self._stored or ())

    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        return self._rows(torch.randint(len(self), (n,), generator=generator, device=generator.device))

    def batches(self, size: int) -> Iterator[PoseBatch]:
        for start in range(0, len(self), size):
            yield self._rows(torch.arange(start, min(start + size, len(self)), device=self._context.device))

    def _rows(self, index: Tensor) -> PoseBatch:
        if self._population is None:
            assert self._stored is not None
            return self._stored.rows(index)
        joints, ancestor = (
            table.index_select(0, index) for table in (self._population.joints, self._population.ancestor)
        )
        return self._seen(joints, ancestor, index < len(self._captured))

    def _seen(self, joints: Tensor, ancestor: Tensor, captured: Tensor) -> PoseBatch:
        """Return poses, coordinates [N, 3, J], as the cameras of their ancestors see them."""
        camera = self._captured.camera.select(ancestor)
        labels = {name: label.index_select(0, ancestor) for name, label in self._captured.labels.items()}
        batch = PoseBatch.seen(self.skeleton, joints.mT.contiguous(), camera, labels=labels)
        same = Origin.CAPTURED if self.config.bodies == "none" else Origin.AUGMENTED
        return attrs.evolve(batch, origin=torch.where(captured, int(same), int(Origin.GENERATED)).to(torch.uint8))

    # ---------------------------------------------------------------- evolution

    def _evolve(self) -> None:
        config, captured = self.config, self._captured
        ground, joints = Ground.under(captured), captured.absolute.mT.contiguous()
        resizing: Resizing | None = None
        if config.bodies != "none":
            bodies = BodySizes.of(captured, config.size, config.proportion)
            resizing = Resizing(bodies, config.bodies_rate, self.skeleton, config.floor)
        if resizing and config.bodies == "both":
            resizing.resize(joints, ground, torch.arange(len(joints), device=joints.device), self._draws(_BODIES - 1))
        population = Population(joints, ground, self._limbs, self._most(len(joints)))
        for generation in self._generations(population):
            if self._stored is not None:
                # What is kept of a pose may have another body than what it hands on.
                rows = population.rows(generation)
                self._stored.write(rows.stop - rows.start, self._finished(population, generation, resizing))
        fit = population.fit / population.candidates if population.candidates else 1.0
        self._figures = {"generations": len(population.starts) - 1, "fit": fit}
        if self._stored is not None:
            self._stored.finish(population.count, self._figures)
            return
        for generation in range(len(population.starts)):
            for _ in self._finished(population, generation, resizing):
                pass
        self._population = population

    def _finished(self, population: Population, generation: int, resizing: Resizing | None) -> Iterator[PoseBatch]:
        """Give the poses of a generation with the bodies that they have in the end."""
        rows, generator = population.rows(generation), self._draws(_BODIES + generation)
        tables = (torch.split(table[rows], _AT_ONCE) for table in (population.joints, population.ancestor))
        for joints, ancestor in zip(*tables, strict=True):
            if self._stored is not None:
                joints = joints.clone()
            if resizing is not None:
                resizing.resize(joints, population.ground, ancestor, generator)
            if self._stored is not None:
                captured = torch.full_like(ancestor, generation == 0, dtype=torch.bool)
                yield self._seen(joints, ancestor, captured)

    def _generations(self, population: Population) -> Iterator[int]:
        """Give the number of each generation when it is there."""
        breeding = Breeding.of(self.config, self._limbs, self._limits, self._context.device)
        yield 0
        idle = 0
        while population.count < population.most and len(population.starts) <= (self.config.generations or _LAST):
            draws = self._draws(_GENERATIONS + len(population.starts))
            added = population.grow(breeding, self.config.couples, draws, self._errors if self._model else None)
            tell("poses evolved", population.count, population.most)
            yield len(population.starts) - 1
            idle = 0 if added else idle + 1
            if idle < _PATIENCE and len(population.starts) <= _LAST:
                continue
            if len(self._captured) < _FEW:
                return  # So few may have no children.
            fit = breeding.fit(genes_of(columns(self._captured.absolute.mT), self._limbs)).double().mean()
            raise PoseplugError(
                f"Evolution stands still at {population.count} poses: no child keeps within the joint limits and far "
                f"enough from the camera; of the reference's poses {100 * float(fit):.0f} % keep within the limits. "
                "Look at it with: poseplug data inspect; or choose another, wider limits or selection=lower."
            )

    @torch.no_grad()
    def _errors(self, joints: Tensor, ancestor: Tensor) -> Tensor:
        """Return the mean errors of the model's predictions, metres."""
        assert self._model is not None
        batch = self._seen(joints, ancestor, torch.zeros_like(ancestor, dtype=torch.bool))
        errors: Tensor = torch.linalg.vector_norm(self._model(batch) - batch.root_relative, dim=-1).mean(1)
        return errors

    def _most(self, n: int) -> int:
        """Return how many poses there may be in the end, of n that there are at first."""
        config = self.config
        if n < 2:
            raise PoseplugError("evolved: one reference pose alone has no children; name a reference of more.")
        if config.generations:
            for _ in range(config.generations):
                n += 2 * couples(n, config.couples)
            return n
        most = config.poses or math.ceil(config.times * n)
        if most < n:
            raise PoseplugError(f"evolved: poses={most} is less than the reference has ({n}); give more.")
        return most

    def _draws(self, stream: int) -> torch.Generator:
        return self._context.generator(stream)


def _opened(said: str, context: BuildContext) -> Model | None:
    """Return the trained model of a run that settings name."""
    if not said:
        return None
    if context.open_model is None:
        raise PoseplugError("evolved, setting 'model': a run can only be named within a run.")
    return context.open_model(said)


def _captured(reference: PoseSource, generator: torch.Generator) -> PoseBatch:
    """Return all poses of a reference; of one without end, a sample."""
    if not reference.has_3d:
        raise PoseplugError("evolved begins with 3D poses, and the reference has 2D only; give one with 3D.")
    if isinstance(reference, FiniteSource):
        poses = PoseBatch.join(list(reference.batches(_AT_ONCE)))
    else:
        poses = reference.sample(_AT_ONCE, generator)
    if not torch.isfinite(poses.absolute).all():
        raise PoseplugError("evolved: a reference pose has a joint that is not a number; leave such poses out.")
    return PoseBatch(poses.skeleton, poses.joints_2d, poses.camera, poses.joints_3d, labels=poses.labels)
