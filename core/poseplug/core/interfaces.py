"""The six interfaces, and the objective: all that plugins and the engine know of each other.

A component is constructed as ``cls(config, context)``, from its settings and what it may know of the run. Everything it
computes stays on ``context.device``; what it draws comes from the generator it is handed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.data.batch import PoseBatch
from poseplug.core.data.normalise import Normalisation
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton


@attrs.frozen
class NoConfig:
    """The configuration of a component without settings."""


@attrs.frozen(kw_only=True)
class BuildContext:
    """What a component may know of the run when it is built.

    Attributes:
        skeleton: the run's skeleton; None only while the first source, which decides it, is being built.
        device: where all of the run's tensors live.
        seed: the run's seed, for what a component draws when it is built.
        reference: the run's reference data, for components that are made from it.
        build: builds a further component from its interface's name and a specification such as "bvh:path=mocap", for
            settings that name one; None where a component is used outside a run.
    """

    skeleton: Skeleton | None = None
    device: torch.device = attrs.field(factory=lambda: torch.device("cpu"))
    seed: int = 0
    reference: PoseSource | None = None
    build: Callable[[str, str], Any] | None = None

    @property
    def layout(self) -> Skeleton:
        """The skeleton, for components that are built after the sources."""
        if self.skeleton is None:
            raise PoseplugError("This component is built for a skeleton; give BuildContext(skeleton=...).")
        return self.skeleton

    def generator(self, stream: int = 0) -> torch.Generator:
        """Return a generator seeded by the run's seed; different streams are independent."""
        return torch.Generator(self.device).manual_seed((self.seed << 16) + stream)


class Component:
    """What all components share: a configuration class, and figures that they may report.

    Attributes:
        Config: the frozen attrs class of the component's settings; its fields, made by
            ``poseplug.core.settings.setting``, explain themselves.
        learning_rate: of a trained part, where it differs from the run's.
        update_every: of a trained part, how many of the run's steps go by for each update.
    """

    Config: ClassVar[type] = NoConfig
    learning_rate: float | None = None
    update_every: int = 1

    def diagnostics(self) -> Mapping[str, float]:
        """Return figures about the run so far; they are stored in its results."""
        return {}

    def logs(self) -> Mapping[str, Tensor]:
        """Return scalars about an augmentor's or a discriminator's last step, left on the device, for the history."""
        return {}


class PoseSource(Component, ABC):
    """Where poses come from: an endless stream, and for finite data also every pose in order.

    Attributes:
        skeleton: the layout of its poses.
        has_3d: False where it gives 2D only.
        needs_reference: True where it is made from reference data (``context.reference``).
        label_names: for each label in its batches the names of the classes.
    """

    has_3d: ClassVar[bool] = True
    needs_reference: ClassVar[bool] = False
    skeleton: Skeleton
    label_names: Mapping[str, tuple[str, ...]] = {}

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        """Return n poses drawn at random."""


class FiniteSource(PoseSource):
    """A source with a beginning and an end: data sets, or a generated set that was kept."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of poses that ``batches`` gives."""

    @abstractmethod
    def batches(self, size: int) -> Iterator[PoseBatch]:
        """Give every pose once, in a fixed order, ``size`` at a time; equal calls give equal poses."""


@attrs.frozen
class Augmentation:
    """What an augmentor made of a batch.

    Attributes:
        batch: the poses to train on, N or more.
        stages: named poses along the way that discriminators may judge ("bones": after the bone operators, ...).
        accepted: [N] bool, which poses are fit to be kept for training; None accepts all.
    """

    batch: PoseBatch
    stages: Mapping[str, PoseBatch] = attrs.field(factory=dict)
    accepted: Tensor | None = None


@attrs.frozen
class AugmentorFeedback:
    """What a trained augmentor may learn from, besides its own output.

    Attributes:
        source: the poses that it was given.
        realism: for each discriminator its scores on the stage of the augmentation that it judges.
        lift: the lifter under training, frozen: batch -> root-relative joints [N, J, 3].
        progress: share of the training that is done, 0 to 1.
        cycle: the schedule's cycle, counted from 1.
    """

    source: PoseBatch
    realism: Mapping[str, Tensor]
    lift: Callable[[PoseBatch], Tensor]
    progress: float
    cycle: int = 1


class Augmentor(Component, nn.Module, ABC):
    """Makes a batch more diverse. One with parameters is trained by the ``loss`` it gives."""

    @abstractmethod
    def augment(self, batch: PoseBatch, generator: torch.Generator) -> Augmentation:
        """Return new poses with their projections; the batch given stays as it is."""

    def loss(self, augmentation: Augmentation, feedback: AugmentorFeedback) -> Mapping[str, Tensor]:
        """Return named scalars whose sum trains the augmentor; used only if it has parameters."""
        raise PoseplugError(
            f"Augmentor {type(self).__name__} has parameters, but no loss to train them with; its plugin must give "
            "one, or keep what is not trained in buffers."
        )


@attrs.frozen
class Weights:
    """How much the poses of a step count.

    Attributes:
        drawn: [N] factors for the loss of the drawn (and augmented) poses; None leaves it as it is.
        reference: [N] factors for the loss of the reference poses; None counts each once.
        log: scalars for the run's history, left on the device.
    """

    drawn: Tensor | None = None
    reference: Tensor | None = None
    log: Mapping[str, Tensor] = attrs.field(factory=dict)


class Reweighter(Component, nn.Module, ABC):
    """How much should each sample count? Weights carry no gradient; what was fitted is kept in buffers."""

    @abstractmethod
    def fit(self, drawn: PoseSource, reference: PoseSource, generator: torch.Generator) -> None:
        """Learn what the two distributions look like, once, before training."""

    @abstractmethod
    def weigh(self, drawn: PoseBatch, reference: PoseBatch) -> Weights:
        """Weigh one step's poses."""


class Lifter(Component, nn.Module, ABC):
    """From 2D joints to root-relative 3D joints.

    Attributes:
        normalisation: how pixels become its input.
        default_objective: the objective it is trained with when the user names none.
        reads: further inputs ("camera", "boxes", "roots"; see poseplug.core.models.inputs), for ``forward``.
        num_stages: how many times it wants to be trained, one part after the other.
        predicts_depth: True where it predicts z only, in units of the MAX_NORM pose; see models.output_heads.
    """

    normalisation: ClassVar[Normalisation] = Normalisation.SCREEN
    default_objective: ClassVar[str] = "supervised"
    reads: ClassVar[frozenset[str]] = frozenset()
    predicts_depth: ClassVar[bool] = False
    num_stages: int = 1

    @abstractmethod
    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        """Return joints [N, J, 3] in metres for normalised 2D joints [N, J, 2].

        The root may be predicted or be zero; the engine subtracts it where root-relative joints are compared.
        """

    def parameter_groups(self) -> Mapping[str, list[nn.Parameter]]:
        """Return its independent parts by name; an objective may give each part a loss of its own."""
        return {"all": list(self.parameters())}

    def group_joints(self) -> Mapping[str, tuple[int, ...]]:
        """Return the joints that each of its independent parts predicts; empty for a lifter of one part."""
        return {}

    def enter_stage(self, stage: int) -> None:
        """Prepare training stage ``stage``, counted from 0: freeze what is finished, switch on what comes."""


class Discriminator(Component, nn.Module, ABC):
    """Does this look real? Real are reference poses; without any, what the first trained augmentor was given.

    Attributes:
        stage: which poses it judges: a stage that an augmentor or an objective names; where there is none, "final".
    """

    stage: ClassVar[str] = "final"

    @abstractmethod
    def forward(self, batch: PoseBatch) -> Tensor:
        """Return scores [N, K], one or more per pose; real is high."""

    @abstractmethod
    def loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the scalar that trains it, from its scores on real and on fake poses."""

    @abstractmethod
    def realism(self, fake: Tensor) -> Tensor:
        """Return the scalar that trains what makes the fakes, from the scores on them."""

    def real(self, batch: PoseBatch, generator: torch.Generator) -> PoseBatch:
        """Return the poses to learn from as real: these, or further ones that the discriminator brings along."""
        return batch

    def remember(self, fake: PoseBatch, generator: torch.Generator) -> PoseBatch:
        """Return the fakes to learn from: these, or a mixture with earlier ones (replay pool, kept in buffers)."""
        return fake


class RootEstimator(Component, nn.Module, ABC):
    """Where is the person?

    Attributes:
        reads: the inputs it is given by keyword ("joints_2d" in pixels, "camera", "boxes"; see core.models.inputs).
    """

    reads: ClassVar[frozenset[str]] = frozenset({"joints_2d", "camera"})

    @abstractmethod
    def forward(self, **inputs: Any) -> Tensor:
        """Return absolute root positions [N, 3] in the camera frame, metres."""

    @abstractmethod
    def loss(self, batch: PoseBatch, **inputs: Any) -> Mapping[str, Tensor]:
        """Return named scalars whose sum trains it."""


Loss = Tensor | Mapping[str, Tensor]


@attrs.frozen
class Step:
    """One training step as the objective sees it.

    Attributes:
        poses: the poses to train on: drawn, and augmented where there is an augmentor.
        reference: reference poses of the same number; None where the run has no use for them.
        weights: what the reweighter says; None without one.
        lift: the lifter under training: batch -> joints [N, J, 3], root-relative up to the predicted root; it may be
            called often, also with batches that the objective makes itself.
        realism: the adversarial loss that the run's discriminators give to poses of a stage (stage name, batch); the
            discriminators learn from these poses as fakes.
        generator: for what the objective draws.
        progress: share of the training that is done, 0 to 1.
        groups: the lifter's ``group_joints``.
        replicas: how many lifters are trained side by side. Pose i of every batch belongs to lifter i mod ``replicas``,
            so that joined batches stay right; what is drawn once for a batch is drawn once for each of them.
    """

    poses: PoseBatch
    reference: PoseBatch | None
    weights: Weights | None
    lift: Callable[[PoseBatch], Tensor]
    realism: Callable[[str, PoseBatch], Mapping[str, Tensor]]
    generator: torch.Generator
    progress: float
    groups: Mapping[str, tuple[int, ...]] = attrs.field(factory=dict)
    replicas: int = 1


class Objective(Component, nn.Module, ABC):
    """The training regime: what the lifter is asked to minimise.

    Attributes:
        needs_3d: whether it reads joints_3d; one that does not is never shown them.
        needs_discriminator: whether it calls ``step.realism``.
        default_discriminator: the one that it is given where the user names none.
        depth_only: whether it trains nothing but z of what the lifter returns, up to one sign for all and in units of
            the MAX_NORM pose. The finished model takes x and y from the image, whatever the lifter.
        labelled_poses: depth_only: how many poses with 3D labels tell the sign and the size of the body; 0 for none.
        view: how the run sees all its poses, in training and in evaluation; None: as their cameras do.
    """

    needs_3d: ClassVar[bool] = True
    needs_discriminator: ClassVar[bool] = False
    default_discriminator: ClassVar[str] = ""
    depth_only: ClassVar[bool] = False
    labelled_poses: int = 100
    view: Callable[[PoseBatch], PoseBatch] | None = None

    def uses_reference(self, reweighted: bool) -> bool:
        """Say whether the step needs reference poses, given whether the run has a reweighter."""
        return reweighted

    @abstractmethod
    def loss(self, step: Step) -> Mapping[str, Loss]:
        """Return named scalars whose sum trains the lifter.

        A scalar trains all of the lifter. A mapping from the names of its ``parameter_groups`` to scalars trains each
        part with its own scalar and no other.
        """


INTERFACES: Mapping[str, type[Component]] = {
    "source": PoseSource,
    "augmentor": Augmentor,
    "reweighter": Reweighter,
    "lifter": Lifter,
    "discriminator": Discriminator,
    "root": RootEstimator,
    "objective": Objective,
}
