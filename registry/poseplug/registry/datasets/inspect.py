"""``poseplug data inspect``: what is in a data set, and what looks wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import numpy as np
import torch

from poseplug.core.errors import PoseplugError
from poseplug.registry.datasets.measures import Measures, spread
from poseplug.registry.datasets.opening import Opened
from poseplug.registry.datasets.problems import problems

LOOKED_AT = 100_000


@attrs.frozen
class Inspection:
    """What was found.

    Attributes:
        facts: numbers by topic, ready for JSON; lengths in metres, in the image in pixels.
        problems: a sentence for each thing that looks wrong.
    """

    facts: Mapping[str, Any]
    problems: tuple[str, ...]

    def lines(self) -> Iterator[tuple[str, str]]:
        """Give what it is about and what was found, for people."""
        facts = self.facts
        total = "without end" if facts["poses"] is None else f"{facts['poses']}"
        seen = f"; {facts['looked_at']} drawn at random were looked at" if facts["drawn"] else ""
        yield "poses", f"{total}{seen}"
        if facts["scenes"] is not None:
            scenes, people = facts["scenes"]["number"], facts["scenes"]["people"]
            seen = " drawn ones" if facts["drawn"] else ""
            yield (
                "scenes",
                f"{scenes}{seen}, of {people['min']} to {people['max']} people, {people['mean']:.1f} on average",
            )
        yield "joints", f"{len(facts['joints'])}, {facts['skeleton']}: {', '.join(facts['joints'])}"
        for label, counts in facts["labels"].items():
            yield f"{label}s", f"{len(counts)}: " + ", ".join(f"{name} {n}" for name, n in counts.items())
        yield from _camera_lines(facts["cameras"])
        if "body" in facts:
            for name, figures in facts["body"].items():
                yield name.replace("_m", "").replace("_", " "), _range(figures, "m")
            bones = facts["bones"]
            yield "bones", ", ".join(f"{name} {bone['mean_m']:.3f} m" for name, bone in bones.items())
            varying = max(bones, key=lambda name: bones[name]["variation"])
            who = "within a subject" if "subject" in facts["labels"] else "from pose to pose"
            yield "bones vary", f"{who} by up to {bones[varying]['variation']:.1%} of their length ({varying})"
            if facts["asymmetry"]:
                uneven = max(facts["asymmetry"], key=lambda pair: abs(facts["asymmetry"][pair]))
                yield "left to right", f"differ by up to {abs(facts['asymmetry'][uneven]):.1%} ({uneven})"
            if facts["implausible"]:
                shares = dict(facts["implausible"])
                any_of = shares.pop("any")
                worst = max(shares, key=shares.__getitem__)
                most = f", most often {worst} ({shares[worst]:.1%})" if any_of else ""
                yield "limbs", f"{any_of:.1%} of poses hold one as no body can{most}"
            figures = facts["projection_px"]
            yield (
                "2D to projected 3D",
                f"median {figures['median']:.2f} px, 99 % {figures['p99']:.2f}, max {figures['max']:.2f}",
            )
        if "image" in facts:
            image = facts["image"]
            yield "people in the image", f"{_range(image['size_px'], 'px')}; {image['outside']:.1%} of joints outside"
            yield "roots in the image", f"in {image['cover']:.0%} of its squares of a tenth"
        yield "no numbers", ", ".join(f"{count} in {name}" for name, count in facts["not_numbers"].items())
        if facts["repeated"] is not None:
            yield "repeated poses", str(facts["repeated"])


def inspect(opened: Opened, most: int = LOOKED_AT) -> Inspection:
    """Look at a source's poses; of more than ``most`` at so many drawn ones."""
    if most < 1:
        raise PoseplugError(f"At least one pose must be looked at; got {most}.")
    found = Measures.of(opened, most)
    wrong = tuple(problems(found))
    return Inspection({**_facts(found), "problems": list(wrong)}, wrong)


def _facts(found: Measures) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "source": found.said,
        "poses": found.total,
        "looked_at": len(found.seen),
        "drawn": found.drawn,
        "scenes": _scenes(found),
        "skeleton": found.skeleton.name,
        "joints": list(found.skeleton.joints),
        "labels": _counts(found),
        "cameras": _cameras(found),
        "not_numbers": found.not_numbers,
        "repeated": None if found.drawn else found.repeated,
    }
    if len(found.good):
        size = spread(found.sizes)
        facts["image"] = {"size_px": size, "outside": float(found.outside.mean()), "cover": found.cover}
        if found.good.joints_3d is not None:
            facts |= _bodies(found)
    return facts


def _scenes(found: Measures) -> dict[str, Any] | None:
    """Return how many scenes were looked at and how many people they hold; None where nobody says who shares one."""
    seen = found.seen if found.drawn else found.seen.gathered()
    if seen.scenes is None:
        return None
    people = seen.people_per_scene
    figures = {"min": int(people.min()), "mean": float(people.double().mean()), "max": int(people.max())}
    return {"number": len(people), "people": figures}


def _bodies(found: Measures) -> dict[str, Any]:
    names = found.skeleton.bone_names
    body = {"height_m": spread(found.heights)} | ({} if found.legs is None else {"leg_m": spread(found.legs)})
    body["distance_m"] = spread(found.good.root.double().norm(dim=-1).numpy())
    median, p99 = np.percentile(found.projection, (50, 99)).tolist()
    return {
        "body": body,
        "bones": {
            name: {"mean_m": mean, "variation": share}
            for name, mean, share in zip(names, found.means.tolist(), found.variation.tolist(), strict=True)
        },
        "asymmetry": found.asymmetry,
        "implausible": {name or "any": share for name, share in found.implausible.items()},
        "projection_px": {"median": median, "p99": p99, "max": float(found.projection.max())},
    }


def _counts(found: Measures) -> dict[str, dict[str, int]]:
    counts = {}
    for label, classes in found.seen.labels.items():
        names = found.label_names.get(label, ())
        of_class = torch.bincount(classes, minlength=len(names)).tolist()
        named = [*names, *map(str, range(len(names), len(of_class)))]
        counts[label] = {name: n for name, n in zip(named, of_class, strict=True) if n}
    return counts


def _cameras(found: Measures) -> dict[str, Any]:
    camera = found.seen.camera
    distinct, intrinsics = found.cameras
    facts: dict[str, Any] = {
        "distinct": distinct,
        "intrinsics": intrinsics,
        "focal_px": spread(camera.focal.double().numpy()),
        "image_px": torch.unique(camera.size, dim=0)[:4].tolist(),
        "distortion": camera.distortion is not None,
        "placed": camera.position is not None,
    }
    if camera.position is not None and camera.rotation is not None:
        axes = zip("xyz", camera.position.double().T.numpy(), strict=True)
        facts["position_m"] = {axis: spread(values) for axis, values in axes}
        # The third row of a rotation is the camera's forward axis in the world, whose y is up.
        down = (-camera.rotation[:, 2, 1]).clamp(-1, 1).asin().rad2deg()
        facts["looks_down_deg"] = spread(down.double().numpy())
    return facts


def _camera_lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    images = ", ".join(f"{width:g} x {height:g}" for width, height in facts["image_px"])
    many = facts["distinct"]
    yield (
        "cameras",
        f"{many}; {facts['intrinsics']} intrinsics, focal length {_range(facts['focal_px'], 'px')}, image {images}, "
        f"{'with' if facts['distortion'] else 'without'} distortion",
    )
    if facts["placed"]:
        places = ", ".join(f"{axis} {_range(figures, 'm')}" for axis, figures in facts["position_m"].items())
        yield "cameras stand at", f"{places}; they look {_range(facts['looks_down_deg'], 'degrees')} down"
    else:
        yield "cameras stand", "nobody knows where: no world is given"


def _range(figures: Mapping[str, float], unit: str) -> str:
    if not figures:
        return "none"
    low, median, high = (f"{figures[name]:.4g}" for name in ("low", "median", "high"))
    return f"{median} {unit}" if low == high else f"{median} {unit} ({low} to {high})"
