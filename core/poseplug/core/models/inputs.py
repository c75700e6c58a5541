"""The inputs that components may read besides normalised 2D joints, each made once a step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from poseplug.core.data.found import Found, match
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.geometry.camera import Camera
from poseplug.core.interfaces import FOUND, InputProvider, RootEstimator
from poseplug.core.models.modes import exactly, frozen
from poseplug.core.tensors import constant

# From a provider, a batch, and what it made of that, to what readers are handed.
Cut = Callable[[InputProvider, PoseBatch, Any], Any]
# Margins of a person's box over the extent of the joints (VirtualPose's rule).
_BOX_MARGIN = (0.25, 0.12)


class Joints2D(InputProvider):
    """Joints [N, J, 2] in pixels."""

    def provide(self, batch: PoseBatch, **inputs: Any) -> Tensor:
        return batch.joints_2d


class Cameras(InputProvider):
    """The Camera of each person."""

    def provide(self, batch: PoseBatch, **inputs: Any) -> Camera:
        return batch.camera


class PersonBoxes(InputProvider):
    """Boxes [N, 4] (left, top, right, bottom; pixels) around each person, clipped to the image.

    The extent of the joints is enlarged by 25 % of its width on each side and 12 % of its height.
    """

    def provide(self, batch: PoseBatch, **inputs: Any) -> Tensor:
        low, high = batch.joints_2d.amin(1), batch.joints_2d.amax(1)
        margin = (high - low) * constant(_BOX_MARGIN, low.device, low.dtype)
        zero = torch.zeros_like(low)
        corners = [torch.clamp(corner, zero, batch.camera.size) for corner in (low - margin, high + margin)]
        return torch.cat(corners, dim=-1)


class SceneRows(InputProvider):
    """The row [N] of each person's scene in inputs that have a row for each scene."""

    def provide(self, batch: PoseBatch, **inputs: Any) -> Tensor:
        return batch.scene_rows


class Places(InputProvider):
    """The Scenes of a batch: cameras, images where there are some, and how many people the fullest has."""

    per_scene = True

    def provide(self, batch: PoseBatch, **inputs: Any) -> Scenes:
        return batch.places


class PredictedRoots(InputProvider):
    """What a root estimator says: absolute roots [N, 3] in metres, or, of one that searches, ``Found`` people."""

    def __init__(self, estimator: RootEstimator) -> None:
        self.estimator = estimator
        self.reads = estimator.reads  # type: ignore[misc]
        self.per_scene = estimator.finds  # type: ignore[misc]

    def provide(self, batch: PoseBatch, **inputs: Any) -> Any:
        return self.estimator(**inputs)


class MatchedRoots(InputProvider):
    """For true people, the roots [N, 3] at which they were found; see ``RootEstimator`` for those who were not."""

    reads = frozenset({FOUND})
    needs = frozenset({"joints_3d"})

    def __init__(self, estimator: RootEstimator) -> None:
        self.estimator = estimator

    def provide(self, batch: PoseBatch, **inputs: Any) -> Tensor:
        found: Found = inputs[FOUND]
        matching = match(found, batch, self.estimator.training_radius)
        noise = torch.zeros_like(batch.root)
        if self.generator is not None:
            noise.normal_(generator=self.generator).mul_(self.estimator.unmatched_noise)
        roots = found.root.detach()[matching.of_people]
        return torch.where(matching.matched[:, None], roots, batch.root + noise)


class Inputs(nn.Module):
    """Makes inputs from batches, each from those that it is made of.

    Args:
        providers: by their own names, which what they make has too unless they say what they provide; several may
            stand under the name of what they make. Of those of one input the first that a batch has enough for makes
            it. Those that are modules are part of the model.

    Raises:
        PoseplugError: two that provide one input make it in different forms.

    Attributes:
        providers: each of them, by its name.
        makers: those of each input, by its name; the first that a batch has enough for makes it.
    """

    def __init__(self, providers: Mapping[str, InputProvider | Sequence[InputProvider]]) -> None:
        super().__init__()
        self.providers: dict[str, InputProvider] = {}
        self.makers: dict[str, tuple[InputProvider, ...]] = {}
        for name, made in providers.items():
            for number, provider in enumerate([made] if isinstance(made, InputProvider) else made):
                self.providers[f"{name}-{number}" if number else name] = provider
                wanted = provider.provides or name
                self.makers[wanted] = (*self.makers.get(wanted, ()), provider)
        for wanted, makers in self.makers.items():
            forms = dict.fromkeys(maker.form for maker in makers if maker.form is not None)
            if len(forms) > 1:
                said = " and ".join(" x ".join(map(str, form)) for form in forms)
                named = ", ".join(name for name, maker in self.providers.items() if maker in makers)
                raise PoseplugError(f"The inputs {named} all make '{wanted}', as {said}; give them the same sizes.")
        modules = {name: p for name, p in self.providers.items() if isinstance(p, nn.Module)}
        self.networks = nn.ModuleDict(modules)
        self._made: dict[tuple[int, str], tuple[PoseBatch, Any]] | None = None
        # Those that learn now, and what turns a value of theirs into what readers get.
        self._learning: tuple[Collection[InputProvider], Cut] = (), lambda provider, batch, value: value

    def read(self, names: Iterable[str], batch: PoseBatch) -> dict[str, Any]:
        """Return the named inputs of a batch.

        Raises:
            PoseplugError: nobody provides one of them, or the batch has not enough for who does.
        """
        return {name: self._one(name, batch) for name in names}

    def _one(self, name: str, batch: PoseBatch) -> Any:
        made = {} if self._made is None else self._made
        if (id(batch), name) not in made:
            provider = self._provider(name, batch)
            # The batch is kept with it, so that no other can get its identity.
            made[id(batch), name] = batch, self._provided(provider, batch)
        return made[id(batch), name][1]

    def _provided(self, provider: InputProvider, batch: PoseBatch) -> Any:
        inputs, (learning, cut) = self.read(provider.reads, batch), self._learning
        # Whoever asks first, it is as all of them need it.
        with exactly(batch.device):
            # To poses that an objective makes itself gradients go on; nobody learns from those but the lifter.
            if not any(provider is one for one in learning) or batch.joints_2d.requires_grad:
                return provider.provide(batch, **inputs)
            with torch.enable_grad():
                return cut(provider, batch, provider.provide(batch, **inputs))

    def _provider(self, name: str, batch: PoseBatch) -> InputProvider:
        if name not in self.makers:
            raise PoseplugError(f"Nothing here provides the input '{name}'.{did_you_mean(name, self.makers)}")
        there = {"joints_3d": batch.joints_3d is not None, "image": batch.places.image is not None}
        for provider in self.makers[name]:
            if all(there[need] for need in provider.needs):
                return provider
        needed = " or ".join(sorted({need for provider in self.makers[name] for need in provider.needs}))
        raise PoseplugError(f"Input '{name}' is made of {needed}, and these poses have none.")

    def of_scenes(self, names: Iterable[str]) -> set[str]:
        """Return those of some inputs that are about scenes, or are made of such."""
        return {name for name in names if any(map(self._of_scenes, self.makers.get(name, ())))}

    def _of_scenes(self, provider: InputProvider) -> bool:
        return provider.per_scene or isinstance(provider, SceneRows) or bool(self.of_scenes(provider.reads))

    def give(self, name: str, batch: PoseBatch, value: Any) -> None:
        """Say what an input of a batch is, instead of having it made; while ``shared`` lasts."""
        if self._made is None:
            raise ValueError("inputs are given only while they are shared")
        self._made[id(batch), name] = batch, value

    def carry(self, batch: PoseBatch, people: PoseBatch) -> None:
        """Give other people of the same scenes what was made of these scenes for a batch; while ``shared`` lasts."""
        made = self._made or {}
        for (of, name), (_, value) in list(made.items()):
            if of == id(batch) and name in self.makers and self._provider(name, batch).per_scene:
                self.give(name, people, value)

    def draw_from(self, generator: torch.Generator | None) -> None:
        """Tell the providers what they may draw from, while a run is trained."""
        for provider in self.providers.values():
            provider.generator = generator

    @contextmanager
    def drawing(self, generator: torch.Generator) -> Iterator[None]:
        """Let the providers draw from a generator while this lasts; afterwards they draw as they did before."""
        before = {name: provider.generator for name, provider in self.providers.items()}
        self.draw_from(generator)
        try:
            yield
        finally:
            for name, provider in self.providers.items():
                provider.generator = before[name]

    @contextmanager
    def learning(self, names: Collection[str], cut: Cut) -> Iterator[None]:
        """Let the providers of these names learn while this lasts; all others that are modules are frozen.

        Args:
            names: of the providers themselves, not of what they provide.
            cut: what readers get of a value that one of them made of a batch, with its gradient.
        """
        before = self._learning
        self._learning = [self.providers[name] for name in names], cut
        try:
            with ExitStack() as stack:
                for name, network in self.networks.items():
                    if name not in names:
                        stack.enter_context(frozen(network))
                yield
        finally:
            self._learning = before

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Make each input of a batch only once while this lasts: for a step, or a batch of an evaluation."""
        before, self._made = self._made, {}
        try:
            yield
        finally:
            self._made = before


def standard_inputs() -> dict[str, InputProvider]:
    """Return the inputs that follow from any batch."""
    return {
        "joints_2d": Joints2D(),
        "camera": Cameras(),
        "boxes": PersonBoxes(),
        "scene": SceneRows(),
        "scenes": Places(),
    }
