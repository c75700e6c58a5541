"""The interfaces: all that plugins and the engine know of each other.

A component is constructed as ``cls(config, context)``, from its settings and what it may know of the run. Everything it
computes stays on ``context.device``; what it draws comes from the generator it is handed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import attrs
import torch
from torch import Tensor, nn

from poseplug.core.component import Component as Component
from poseplug.core.component import NoConfig as NoConfig
from poseplug.core.component import Reader as Reader
from poseplug.core.component import Trained as Trained
from poseplug.core.data.normalise import Normalisation
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.step import Augmentation as Augmentation
from poseplug.core.data.step import AugmentorFeedback as AugmentorFeedback
from poseplug.core.data.step import Loss as Loss
from poseplug.core.data.step import Step as Step
from poseplug.core.data.step import Stream as Stream
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.output_head import OutputHead as OutputHead

# The inputs that the run's root estimator makes: a root for each person, and, where it searches, whom it found.
ROOTS = "roots"
FOUND = "found"


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
        open_model: opens a finished run or a model that ships, from what users call it, and returns what lifts: batch
            -> root-relative joints [N, J, 3], metres; None where a component is used outside a run.
        weights_follow: whether what is built is given the weights of a finished or an interrupted run afterwards, so
            that none need be read to begin with.
    """

    skeleton: Skeleton | None = None
    device: torch.device = attrs.field(factory=lambda: torch.device("cpu"))
    seed: int = 0
    reference: PoseSource | None = None
    build: Callable[[str, str], Any] | None = None
    open_model: Callable[[str], Callable[[PoseBatch], Tensor]] | None = None
    weights_follow: bool = False

    @property
    def layout(self) -> Skeleton:
        """The skeleton, for components that are built after the sources."""
        if self.skeleton is None:
            raise PoseplugError("This component is built for a skeleton; give BuildContext(skeleton=...).")
        return self.skeleton

    def generator(self, stream: int = 0) -> torch.Generator:
        """Return a generator seeded by the run's seed; different streams are independent."""
        return torch.Generator(self.device).manual_seed((self.seed << 16) + stream)


class PoseSource(Component, ABC):
    """Where poses come from: an endless stream, and for finite data also every pose in order.

    Where everybody stands alone, poses are counted. A source of scenes counts these, and gives all their people.

    Attributes:
        skeleton: the layout of its poses.
        has_3d: False where it gives 2D only.
        has_images: whether its scenes have images. A class whose data decide says True, and one that is built may know
            better; so it is with has_3d.
        needs_reference: True where it is made from reference data (``context.reference``). Where its settings decide,
            one that is built has its own, and ``needs_reference_with`` tells it beforehand.
        label_names: for each label in its batches the names of the classes.
        further_files: files that it was made from, besides those that its settings name as paths.
    """

    has_3d: bool = True
    has_images: bool = False
    needs_reference: bool = False
    skeleton: Skeleton
    label_names: Mapping[str, tuple[str, ...]] = {}
    further_files: Sequence[Path] = ()

    @classmethod
    def evaluated_with(cls, config: Any) -> Any:  # noqa: ARG003
        """Return the settings with which a run on this source is evaluated where the user names no evaluation.

        None: it is evaluated on what this source is made of, or on poses that ship.
        """
        return None

    @classmethod
    def needs_reference_with(cls, config: Any) -> bool:  # noqa: ARG003
        """Say whether one with these settings is made from reference data."""
        return cls.needs_reference

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> PoseBatch:
        """Return n poses, or n scenes, drawn at random."""


class FiniteSource(PoseSource):
    """A source with a beginning and an end: data sets, or a generated set that was kept."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of poses, or of scenes, that ``batches`` gives."""

    @abstractmethod
    def batches(self, size: int) -> Iterator[PoseBatch]:
        """Give every pose, or scene, once, in a fixed order, ``size`` at a time; equal calls give equal poses."""


class Augmentor(Trained, ABC):
    """Makes a batch more diverse. One with parameters is trained by the ``loss`` it gives.

    Attributes:
        asks_lifter: whether ``augment`` calls ``lift``; one may set it for itself, as its settings say.
        lift: what the lifter under training says of a batch, as in evaluation and without gradients: root-relative
            joints [N, J, 3], metres. The engine sets it; None outside of a run.
    """

    asks_lifter: bool = False
    lift: Callable[[PoseBatch], Tensor] | None = None

    @abstractmethod
    def augment(self, batch: PoseBatch, generator: torch.Generator) -> Augmentation:
        """Return new poses with their projections; the batch given stays as it is."""

    def loss(self, augmentation: Augmentation, feedback: AugmentorFeedback) -> Mapping[str, Tensor]:
        """Return named scalars whose sum trains the augmentor; used only if it has parameters."""
        raise PoseplugError(
            f"Augmentor {type(self).__name__} has parameters, but no loss to train them with; its plugin must give "
            "one, or keep what is not trained in buffers."
        )


class Reweighter(Component, nn.Module, ABC):
    """How much should each sample count? Weights carry no gradient; what was fitted is kept in buffers."""

    @abstractmethod
    def fit(self, training: PoseSource, reference: PoseSource, generator: torch.Generator) -> None:
        """Learn what the two distributions look like, once, before training."""

    @abstractmethod
    def weigh(self, training: PoseBatch, reference: PoseBatch) -> Mapping[str, Tensor]:
        """Return weights [N] of one step's poses: under "training", under "reference", or both.

        Poses without weights count once each.
        """


class Lifter(Reader, Trained, ABC):
    """From 2D joints to root-relative 3D joints.

    Attributes:
        normalisation: how pixels become its input; where its settings decide, a lifter that is built has its own. None
            for one that needs no key points: it is handed None in their place.
        default_objective: the objective it is trained with when the user names none.
        refines_root: whether it predicts joints about the root that it is given ("roots"), so that where it puts the
            root is a better estimate; in training its joints are moved by the error of the given root, so that any
            objective that compares them with root-relative joints asks for just that.
    """

    normalisation: ClassVar[Normalisation | None] = Normalisation.SCREEN
    refines_root: ClassVar[bool] = False
    default_objective: ClassVar[str] = "supervised"

    @abstractmethod
    def forward(self, joints_2d: Tensor, **inputs: Any) -> Tensor:
        """Return joints [N, J, 3] in metres for normalised 2D joints [N, J, 2], or what its output head reads.

        The root may be predicted or be zero; the engine subtracts it where root-relative joints are compared.
        """

    def output_head(self, skeleton: Skeleton) -> OutputHead:
        """Return how its output becomes a pose."""
        return OutputHead()

    def group_joints(self) -> Mapping[str, tuple[int, ...]]:
        """Return the joints that each of its independent parameter groups predicts; empty for a lifter of one."""
        return {}

    @classmethod
    def default_phases(cls, config: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ARG003
        """Return the settings of the phases that it is trained in where the user names none; none: all at once."""
        return ()


class Discriminator(Trained, ABC):
    """Does this look real? Real are reference poses; without any, what the first trained augmentor was given.

    Attributes:
        needs_3d: whether it judges 3D joints; it then goes with no objective that shows it key points alone.
        stage: which poses it judges: a stage that an augmentor or an objective names; where there is none, "final".
    """

    stage: ClassVar[str] = "final"
    needs_3d: ClassVar[bool] = False

    @abstractmethod
    def forward(self, batch: PoseBatch) -> Tensor:
        """Return scores [N, K], one or more per pose; real is high."""

    @abstractmethod
    def loss(self, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
        """Return the scalar that trains it, from its scores on real and on fake poses."""

    @abstractmethod
    def adversarial_loss(self, fake: Tensor) -> Tensor:
        """Return the scalar that trains what makes the fakes, from the scores on them."""

    def real(self, batch: PoseBatch, generator: torch.Generator) -> PoseBatch:
        """Return the poses to learn from as real: these, or further ones that the discriminator brings along."""
        return batch

    def remember(self, fake: PoseBatch, generator: torch.Generator) -> PoseBatch:
        """Return the fakes to learn from: these, or a mixture with earlier ones (replay pool, kept in buffers)."""
        return fake


class InputProvider(Reader, Component, ABC):
    """Makes something that components read besides 2D joints: boxes, maps, images.

    What it ``provides`` is what they put in ``reads``. It is made once a step, and shared by all that read it. "roots"
    and "found" are made by the run's root estimator.

    Several providers may provide one input: each batch gets it from the first that it has enough for, in the order in
    which the run names them.

    Attributes:
        provides: the name of the input; "" for the provider's own.
        needs: what a batch must have: of "image" (of its scenes) and "joints_3d".
        per_scene: whether what it makes has a row for each scene instead of each person.
        generator: what it draws from. The engine sets it while it trains; None otherwise, and nothing is drawn then.
        form: what all that provide one input in a run must have in common, such as the height and width of maps, of one
            that is built; None: nothing.
    """

    provides: ClassVar[str] = ""
    needs: ClassVar[frozenset[str]] = frozenset()
    per_scene: ClassVar[bool] = False
    generator: torch.Generator | None = None
    form: tuple[int, ...] | None = None

    def __init__(self, config: Any = None, context: BuildContext | None = None) -> None:
        """Most providers have nothing to keep; one may also be a module, which is set up here."""
        super().__init__()

    @abstractmethod
    def provide(self, batch: PoseBatch, **inputs: Any) -> Any:
        """Return the input for a batch: a tensor with a row for each person or scene, or a record of such tensors."""

    def loss(self, value: Any, batch: PoseBatch, **inputs: Any) -> Mapping[str, Tensor]:
        """Return named scalars whose sum trains it, besides what its readers learn; of one that is also ``Trained``.

        Args:
            value: what it has made of the batch, with its gradient.
            batch: the training poses of a step.
            inputs: what it was made of.
        """
        return {}


class RootEstimator(Reader, Trained, ABC):
    """Where is the person? Each that is given, or, for one that searches, everybody in a scene.

    Attributes:
        finds: whether it searches scenes for people; where its settings decide, one that is built has its own, and
            ``finds_with`` tells it beforehand.
        finds_joints_2d: whether whom it finds has key points, for lifters that read these.
        training_radius: metres; in training a true person gets the root of whom was found within it.
        unmatched_noise: metres; who was not found gets the true root with noise of this standard deviation per axis.
    """

    reads: ClassVar[frozenset[str]] = frozenset({"joints_2d", "camera"})
    finds: bool = False
    finds_joints_2d: ClassVar[bool] = False
    training_radius: float = 0.5
    unmatched_noise: float = 0.1

    @classmethod
    def finds_with(cls, config: Any) -> bool:  # noqa: ARG003
        """Say whether one with these settings searches scenes for people."""
        return cls.finds

    @abstractmethod
    def forward(self, **inputs: Any) -> Any:
        """Return absolute root positions [N, 3] in the camera frame, metres; one that searches, ``Found`` people."""

    @abstractmethod
    def loss(self, roots: Any, batch: PoseBatch, **inputs: Any) -> Mapping[str, Tensor]:
        """Return named scalars whose sum trains it, for what ``forward`` returned."""


class Objective(Component, nn.Module, ABC):
    """The training regime: what the lifter is asked to minimise.

    Attributes:
        needs_3d: whether it reads joints_3d; one that does not is never shown them.
        needs_discriminator: whether it calls ``step.adversarial_loss``.
        shows_3d: whether poses that it calls this with have 3D joints.
        default_discriminator: the one that it is given where the user names none.
    """

    needs_3d: ClassVar[bool] = True
    needs_discriminator: ClassVar[bool] = False
    shows_3d: ClassVar[bool] = True
    default_discriminator: ClassVar[str] = ""

    def output_head(self, lifter: Lifter, skeleton: Skeleton) -> OutputHead | None:
        """Return how poses are read from the lifter's output, if that is not trained to be what its own head reads."""
        return None

    @abstractmethod
    def loss(self, step: Step) -> Mapping[str, Loss]:
        """Return named scalars whose sum trains the lifter.

        A scalar trains all of the lifter. A mapping from the names of its ``parameter_groups`` to scalars trains each
        group with its own scalar and no other.
        """
