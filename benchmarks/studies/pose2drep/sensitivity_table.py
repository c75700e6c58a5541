"""The sensitivity study in a few numbers for each run."""

from __future__ import annotations

from pathlib import Path

import xarray
from responses import AT, METRIC, ordered

from poseplug.core.geometry.skeleton import Skeleton


def short_names(runs: list[Path]) -> list[str]:
    """Return short names that tell runs apart: the folder, with those above it as far as it takes."""
    parts = [path.resolve().parts for path in runs]
    for depth in range(1, max(map(len, parts))):
        # A seed's folder says nothing without that of its run.
        names = ["/".join(own[-depth - own[-1].startswith("seed-") :]) for own in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{number}: {path.name}" for number, path in enumerate(runs)]


def markdown(found: xarray.Dataset, skeleton: Skeleton) -> str:
    """Return the table: how strongly depths answer to their own joint, to others of their half, and across halves."""
    groups = ordered(skeleton)
    legs = {skeleton.joints[j] for part, joints in groups.items() if part.endswith("leg") for j in joints}
    elbow, ankle, other_ankle = landmarks(skeleton)
    lines = [
        "# Sensitivity to one 2D joint at a time\n",
        f"{found.attrs['source']}, {found.attrs['poses']} poses.\n",
        f"Mean |change of depth| when a joint moves by {AT:+.0%} of its distance from the root.",
        "Own: of the moved joint. Same: of others in its half of the body (legs, or",
        "the rest). Across: of the other half. Depths are in mm, or in 1/1000 of the",
        "pose's extent (ppt) where the lifter gives no metres.\n",
        "| run | unit | own | same | across | across / own |",
        "|---|---|---|---|---|---|",
    ]
    for run in found.run.values:
        one = found.sel(run=run)
        metric = str(one.unit.item()) == METRIC
        own, same, across = halves(one.matrix, legs)
        figures = [f"{value * (1 if metric else 1000):.3g}" for value in (own, same, across)]
        lines.append(f"| {run} | {'mm' if metric else 'ppt'} | {' | '.join(figures)} | {across / own:.2f} |")
    lines += [
        f"\nThe paper's examples, as ratios at {AT:+.0%}:\n",
        f"| run | {elbow}: {other_ankle} / {elbow} | {ankle}: {ankle} / mean own |",
        "|---|---|---|",
    ]
    for run in found.run.values:
        matrix = found.sel(run=run).matrix
        own = halves(matrix, legs)[0]
        far = float(matrix.sel(input=elbow, output=other_ankle) / matrix.sel(input=elbow, output=elbow))
        lines.append(f"| {run} | {far:.2f} | {float(matrix.sel(input=ankle, output=ankle)) / own:.2f} |")
    return "\n".join(lines) + "\n"


def halves(matrix: xarray.DataArray, half: set[str]) -> tuple[float, float, float]:
    """Return the mean answer of the moved joint itself, of others in its half of the body, and of the other half.

    Args:
        matrix: (input, output).
        half: the joints of one half; all others are the other one.
    """
    same = matrix.input.isin(list(half)) == matrix.output.isin(list(half))
    own = matrix.input == matrix.output
    means = [float(matrix.where(which).mean()) for which in (own, same & ~own, ~same)]
    return means[0], means[1], means[2]


def landmarks(skeleton: Skeleton) -> tuple[str, str, str]:
    """Return the left elbow, the left and the right ankle; on a skeleton without such limbs, what comes nearest."""
    parts, others = skeleton.parts, [name for name in skeleton.joints if name != skeleton.joints[skeleton.root]]
    elbow = parts["left_arm"][len(parts["left_arm"]) // 2] if parts.get("left_arm") else others[-1]
    ankle = parts["left_leg"][-1] if parts.get("left_leg") else others[0]
    opposite = parts["right_leg"][-1] if parts.get("right_leg") else others[len(others) // 2]
    return elbow, ankle, opposite
