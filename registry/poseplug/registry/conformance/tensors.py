"""Looking at what components return: shapes, equality, finiteness, gradients, and whether inputs stay as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
import torch
from torch import Tensor

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.registry.conformance.poses import Occasion
from poseplug.registry.conformance.verdict import Broken, require, some

Tensors = dict[str, Tensor]


def check_tensor(
    value: Any, shape: tuple[int | None, ...], device: torch.device, what: str, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Return the value if it is a tensor of this shape (None: any size), type and device; raise Broken otherwise."""
    if not isinstance(value, Tensor):
        raise Broken(f"{what} is a {type(value).__name__}; expected a tensor")
    fits = len(shape) == value.ndim and all(w is None or w == s for w, s in zip(shape, value.shape, strict=True))
    wanted = "[" + ", ".join("any" if size is None else str(size) for size in shape) + "]"
    require(fits, f"{what} has the shape {list(value.shape)}; expected {wanted}")
    require(value.dtype is dtype, f"{what} is {value.dtype}; expected {dtype}")
    there = torch.empty(0, device=device).device
    require(value.device == there, f"{what} is on {value.device}; expected {there}")
    return value


def check_poses(batch: Any, n: int, skeleton: Skeleton, device: torch.device, what: str) -> PoseBatch:
    """Return the batch if it is a valid one of n poses; raise Broken otherwise."""
    if not isinstance(batch, PoseBatch):
        raise Broken(f"{what} is a {type(batch).__name__}; expected a PoseBatch")
    require(batch.skeleton == skeleton, f"{what} has the skeleton '{batch.skeleton.name}'; expected '{skeleton.name}'")
    joints, camera = skeleton.num_joints, batch.camera
    check_tensor(batch.joints_2d, (n, joints, 2), device, f"joints_2d of {what}")
    for name in ("focal", "centre", "size"):
        check_tensor(getattr(camera, name), (n, 2), device, f"camera.{name} of {what}")
    optional: list[tuple[str, Any, tuple[int, ...], torch.dtype]] = [
        ("joints_3d", batch.joints_3d, (n, joints, 3), torch.float32),
        ("camera.distortion", camera.distortion, (n, 5), torch.float32),
        ("camera.rotation", camera.rotation, (n, 3, 3), torch.float32),
        ("camera.position", camera.position, (n, 3), torch.float32),
        ("scene", batch.scene, (n,), torch.int64),
        ("weight", batch.weight, (n,), torch.float32),
        ("origin", batch.origin, (n,), torch.uint8),
        *((f"label '{name}'", label, (n,), torch.int64) for name, label in batch.labels.items()),
    ]
    for name, value, shape, dtype in optional:
        if value is not None:
            check_tensor(value, shape, device, f"{name} of {what}", dtype)
    if batch.scenes is not None:
        _check_scenes(batch, device, what)
    whole = (camera.rotation is None) == (camera.position is None)
    require(whole, f"the camera of {what} has one of rotation and position; expected both or none")
    return batch


def _check_scenes(batch: PoseBatch, device: torch.device, what: str) -> None:
    scenes, scene = batch.places, batch.scene_rows
    if scenes.image is not None:
        check_tensor(scenes.image, (len(scenes), 3, None, None), device, f"scenes.image of {what}", torch.uint8)
    low, high = (int(scene.min()), int(scene.max())) if len(scene) else (0, -1)
    there = f"scene of {what} has rows {low} to {high}, and there are {len(scenes)} scenes"
    require(low >= 0 and high < len(scenes), there)
    fullest = int(batch.people_per_scene.max()) if len(scenes) else 0
    require(fullest <= scenes.most, f"a scene of {what} has {fullest} people, and scenes.most is {scenes.most}")
    for field in attrs.fields(type(batch.camera)):
        own, shared = getattr(batch.camera, field.name), getattr(scenes.camera, field.name)
        agree = own is shared if own is None or shared is None else torch.equal(own, shared[scene])
        require(agree, f"camera.{field.name} of people of {what} is not that of the scene that they share")


def check_scalars(losses: Any, device: torch.device, what: str, *, groups: bool = False) -> Tensors:
    """Return the named losses if they are a mapping of scalars that is not empty; raise Broken otherwise.

    With ``groups`` they may be mappings from parameter groups to scalars, which are returned under "name/group".
    """
    require(isinstance(losses, Mapping), f"{what} is a {type(losses).__name__}; expected a mapping of names to scalars")
    require(losses, f"{what} is empty; expected at least one scalar")
    scalars: Tensors = {}
    for name, value in losses.items():
        if groups and isinstance(value, Mapping):
            of_groups = check_scalars(value, device, f"{what} '{name}'")
            scalars |= {f"{name}/{group}": scalar for group, scalar in of_groups.items()}
        else:
            scalars[name] = check_tensor(value, (), device, f"{what} '{name}'")
    return scalars


def tensors_of(value: Any) -> Tensors:
    """Return all tensors in a record, a mapping or a sequence, by a name that tells where they are."""
    return {name: item for name, item in _leaves(value) if isinstance(item, Tensor)}


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give everything in a nested value that is not itself a container, with its place."""
    if isinstance(value, Mapping):
        items: Iterable[tuple[object, Any]] = value.items()
    elif attrs.has(type(value)) and not isinstance(value, Skeleton):
        items = ((field.name, getattr(value, field.name)) for field in attrs.fields(type(value)))
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        yield prefix, value
        return
    for name, item in items:
        yield from _leaves(item, f"{prefix}.{name}" if prefix else str(name))


def watch(values: Mapping[str, Any]) -> Callable[[], None]:
    """Return a function that raises Broken if someone has changed the values in place by then.

    What records, mappings and sequences hold is compared, tensors also by their version.
    """
    before = {
        name: (item, item.clone(), item._version) if isinstance(item, Tensor) else item
        for name, item in _leaves(values)
    }

    def check() -> None:
        after = dict(_leaves(values))
        same = {name for name in before.keys() & after.keys() if _unchanged(before[name], after[name])}
        changed = sorted((before.keys() | after.keys()) - same)
        require(not changed, f"changed in place: {some(changed)}")

    return check


def _unchanged(before: Any, after: Any) -> bool:
    if not isinstance(before, tuple):
        return bool(after == before)
    tensor, copy, version = before
    return after is tensor and after._version == version and torch.equal(after, copy)


def check_equal(first: Tensors, second: Tensors, complaint: str, *, exact: bool = True) -> None:
    """Raise Broken with the complaint, and where, unless the tensors are equal.

    Exact means bit for bit on a CPU; elsewhere kernels may add up in any order, and small differences pass.
    """
    if first.keys() != second.keys():
        raise Broken(f"{complaint}: {some(sorted(first.keys() ^ second.keys()))} in one result only")
    differing = [name for name in first if not _equal(first[name], second[name], exact)]
    require(not differing, f"{complaint}: {some(differing)}")


def _equal(a: Tensor, b: Tensor, exact: bool) -> bool:
    if exact and a.device.type == "cpu":
        return torch.equal(a, b)
    return a.shape == b.shape and torch.allclose(a.double(), b.double(), rtol=1e-3, atol=1e-4)


def check_finite(tensors: Tensors, when: str) -> None:
    """Raise Broken if a tensor holds a NaN or an infinity."""
    bad = [name for name, t in tensors.items() if t.is_floating_point() and not bool(t.isfinite().all())]
    require(not bad, f"not finite {when}: {some(bad)}")


def send_gradient_back(tensors: Tensors) -> bool:
    """Send a gradient back from the tensors that carry one, another from every element; return False if none do."""
    parts = []
    for tensor in tensors.values():
        if tensor.requires_grad:
            factors = torch.linspace(0.5, 1.5, tensor.numel(), device=tensor.device).reshape(tensor.shape)
            parts.append((tensor * factors).sum())
    if parts:
        torch.stack(parts).sum().backward()  # type: ignore[no-untyped-call]
    return bool(parts)


def check_rows(use: Callable[[Occasion], Tensors], occasion: Occasion, complaint: str) -> None:
    """Raise Broken with the complaint if a row of a result changes with what else is in the batch.

    16 poses are looked at together, and again eight at a time in another order.
    """
    order = torch.arange(15, -1, -1, device=occasion.poses.device)
    with torch.no_grad():
        together, *halves = (use(occasion.select(rows)) for rows in (slice(None), *order.view(2, 8)))
    apart = {name: torch.cat([half[name] for half in halves])[order] for name in together}
    check_equal(together, apart, complaint, exact=False)
