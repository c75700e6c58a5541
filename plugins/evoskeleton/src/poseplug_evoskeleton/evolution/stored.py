"""An evolution on disk: posefiles written generation by generation, and what says which evolution they are of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.pose_file_reader import PoseFile
from poseplug.core.data.pose_file_writer import write_pose_file
from poseplug.core.data.stored_poses import About, shard_name, shards_in
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext
from poseplug.core.storage.files import left_behind, write_text

_NAME = "evolution.json"
# Changes whenever equal settings give other poses.
_VERSION = 2
# At most so many poses in a file.
_SHARD = 1 << 20
# A model is known by how it lifts so many poses.
_LIFTED = 64
Model = Callable[[PoseBatch], Tensor]


class StoredEvolution:
    """The poses of an evolution in a folder of posefiles, each of one generation.

    A folder that was begun and not finished, as after a kill, is finished: files that are there are whole, and are not
    written again. Evolving again gives the very same poses.

    Args:
        folder: where it is, or will be.
        facts: what the evolution depends on, ready for JSON.
        about: what holds for all of the poses.
        device: where poses are wanted.

    Attributes:
        complete: whether all poses are there.
        figures: what there is to say of the evolution, once it is complete.

    Raises:
        PoseplugError: the folder holds something else, or an evolution of other settings; a file is missing.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], about: About, device: torch.device) -> None:
        self._folder, self._facts, self._about, self._device = folder, facts, about, device
        self._numbers = count()
        self._file: PoseFile | None = None
        self.figures: dict[str, float] = {}
        found = self._read()
        if found is None:
            self._say({})
        elif "poses" in found:
            self.figures = found.get("figures", {})
            self._open(found["poses"])

    def __len__(self) -> int:
        return 0 if self._file is None else len(self._file)

    @property
    def complete(self) -> bool:
        """Whether all poses are there."""
        return self._file is not None

    def rows(self, index: Tensor) -> PoseBatch:
        """Return poses by number; they are read from the disk, or from the system's cache."""
        assert self._file is not None
        # Poses lie on the host, so that on a GPU it has to wait for what the generator draws.
        return self._file.rows(index.cpu().numpy()).poses.to(self._device)

    def write(self, poses: int, batches: Iterable[PoseBatch]) -> None:
        """Write a generation of so many poses, to files of its own."""
        supply = iter(batches)
        for start in range(0, poses, _SHARD):
            path = self._folder / shard_name(next(self._numbers))
            most = min(_SHARD, poses - start)
            if path.exists():
                for _ in _first(supply, most):
                    pass
                continue
            for file in left_behind(path):
                file.unlink(missing_ok=True)
            write_pose_file(path, _first(supply, most), self._about, most)

    def finish(self, poses: int, figures: Mapping[str, float]) -> None:
        """Note that all poses are there, and what there is to say of them; open them."""
        self.figures = dict(figures)
        self._say({"poses": poses, "figures": self.figures})
        self._open(poses)

    def _open(self, poses: int) -> None:
        self._file = PoseFile(self._folder)
        if len(self._file) != poses:
            raise PoseplugError(
                f"The evolution in '{self._folder}' has {len(self._file)} poses; expected {poses}. Files were taken "
                "away or added: remove the folder, and it is made anew."
            )

    def _read(self) -> dict[str, Any] | None:
        """Return what the folder says of itself; None where it is new."""
        path = self._folder / _NAME
        try:
            if not path.exists():
                if self._folder.is_dir() and shards_in(self._folder):
                    raise PoseplugError(
                        f"'{self._folder}' holds posefiles that are not of an evolution; choose another folder."
                    )
                return None
            found = json.loads(path.read_text(encoding="utf-8"))
            facts = found["evolution"]
            other = sorted(name for name in {**facts, **self._facts} if facts.get(name) != self._facts.get(name))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise PoseplugError(f"Cannot read '{path}': {error}. Remove the folder, and it is made anew.") from None
        if other:
            raise PoseplugError(
                f"'{self._folder}' holds the poses of another evolution: {_said(other[0], facts)} there, "
                f"{_said(other[0], self._facts)} here. Choose another folder, or remove this one."
            )
        return dict(found)

    def _say(self, more: Mapping[str, Any]) -> None:
        text = json.dumps({"evolution": dict(self._facts), **more}, indent=1)
        write_text(self._folder / _NAME, text + "\n")


def _first(supply: Iterator[PoseBatch], poses: int) -> Iterator[PoseBatch]:
    """Give batches of so many poses in all; a batch does not reach across."""
    while poses > 0:
        batch = next(supply)
        poses -= len(batch)
        yield batch


def _said(name: str, facts: Mapping[str, Any]) -> str:
    value = facts.get(name)
    return f"{name} {value[:12]}" if isinstance(value, str) and len(value) == 64 else f"{name}={value}"


def fingerprint(
    config: Any, context: BuildContext, limits: JointLimits, captured: PoseBatch, model: Model | None
) -> dict[str, Any]:
    """Return what an evolution depends on: settings, seed, kind of device, joint limits, reference poses and model."""
    settings = attrs.asdict(config, filter=lambda field, _: field.name not in ("folder", "limits", "model"))
    camera = captured.camera
    tensors = [captured.absolute, *captured.labels.values(), camera.focal, camera.centre, camera.size]
    tensors += [t for t in (camera.distortion, camera.rotation, camera.position) if t is not None]
    facts = {
        **settings,
        "seed": context.seed,
        "device": context.device.type,
        "joint limits": _digest([limits.tables[name] for name in sorted(limits.tables)]),
        "reference": _digest(tensors),
        "model": "" if model is None else _digest([model(captured.select(slice(0, _LIFTED)))]),
        "version": _VERSION,
    }
    # As JSON gives it back.
    return dict(json.loads(json.dumps(facts)))


def _digest(tensors: Iterable[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
