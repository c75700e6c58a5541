"""The inputs that components may read besides normalised 2D joints, each made once a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError, did_you_mean
from poseplug.core.geometry.camera import Camera
from poseplug.core.interfaces import InputProvider, RootEstimator
from poseplug.core.tensors import constant

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


class PredictedRoots(InputProvider):
    """Absolute roots [N, 3] in metres, as a root estimator predicts them."""

    def __init__(self, estimator: RootEstimator) -> None:
        self.estimator = estimator
        self.reads = estimator.reads  # type: ignore[misc]

    def provide(self, batch: PoseBatch, **inputs: Any) -> Tensor:
        roots: Tensor = self.estimator(**inputs)
        return roots


class Inputs(nn.Module):
    """Makes inputs from batches, each from those that it is made of.

    Args:
        providers: by the name of the input; those that are modules are part of the model.
    """

    def __init__(self, providers: Mapping[str, InputProvider]) -> None:
        super().__init__()
        self.providers = dict(providers)
        self.networks = nn.ModuleDict({n: p for n, p in providers.items() if isinstance(p, nn.Module)})
        self._made: dict[tuple[int, str], tuple[PoseBatch, Any]] | None = None

    def read(self, names: Iterable[str], batch: PoseBatch) -> dict[str, Any]:
        """Return the named inputs of a batch.

        Raises:
            PoseplugError: nobody provides one of them.
        """
        return {name: self._one(name, batch) for name in names}

    def _one(self, name: str, batch: PoseBatch) -> Any:
        made = {} if self._made is None else self._made
        if (id(batch), name) not in made:
            if name not in self.providers:
                raise PoseplugError(f"Nothing here provides the input '{name}'.{did_you_mean(name, self.providers)}")
            provider = self.providers[name]
            # The batch is kept with it, so that no other can get its identity.
            made[id(batch), name] = batch, provider.provide(batch, **self.read(provider.reads, batch))
        return made[id(batch), name][1]

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
    return {"joints_2d": Joints2D(), "camera": Cameras(), "boxes": PersonBoxes()}
