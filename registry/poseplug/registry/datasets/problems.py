"""What looks wrong with poses, and why."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from poseplug.registry.datasets.measures import Measures

# From a child to a giant, metres.
_HEIGHTS = (0.9, 2.4)
_USUAL = 1.65
_DEPTHS = (0.3, 100.0)
# Shares of what a person measures in the image.
_FAR_MEDIAN, _FAR_SOME = 0.03, 0.3
_OUTSIDE, _REPEATED = 0.1, 0.01
# A joint between two of a rig's moves a little; people of one label, or of none, differ by some per cent.
_VARIES, _VARIES_UNNAMED, _ASYMMETRIC = 0.08, 0.2, 0.08
_BENT = 0.04


def problems(found: Measures) -> list[str]:
    """Return a sentence for each thing that looks wrong; none for a data set without."""
    said = [*_missing(found)]
    if len(found.good):
        said += [*_image(found)]
        if found.good.joints_3d is not None:
            said += [*_bodies(found), *_posture(found), *_projection(found)]
    return said


def _missing(found: Measures) -> Iterator[str]:
    total = found.seen.joints_2d.shape[0] * found.skeleton.num_joints
    for name, count in found.not_numbers.items():
        if count:
            yield f"{count} of {total} joints have a coordinate in {name} that is no number; leave such poses out."
    zero = float((found.seen.joints_2d == 0).all(-1).float().mean())
    if zero > 0.001:
        yield (
            f"{zero:.1%} of 2D joints lie at exactly (0, 0): probably nobody found them; leave such poses out, or put "
            "them on the nearest joint."
        )
    if not found.drawn and found.repeated > _REPEATED * len(found.good):
        yield f"{found.repeated} of {len(found.good)} poses are the same, to the last bit, as one before them."


def _image(found: Measures) -> Iterator[str]:
    outside = float(found.outside.mean())
    if outside > _OUTSIDE:
        yield f"{outside:.0%} of joints are outside of the image: its size, the intrinsics or the distances are wrong."
    if found.upright_2d is not None and found.good.joints_3d is None:
        down = float((found.upright_2d < 0).mean())
        if down > 0.5:
            yield f"In {down:.0%} of images heads are below feet: y must point down in the image."


def _bodies(found: Measures) -> Iterator[str]:
    height = float(np.median(found.heights))
    if not _HEIGHTS[0] <= height <= _HEIGHTS[1]:
        factor = _USUAL / max(height, 1e-12)
        yield (
            f"People are {height:.3g} m tall (median), and should be {_HEIGHTS[0]} to {_HEIGHTS[1]}: the unit is "
            f"wrong, by a factor of about {factor:.2g}."
        )
    named = "subject" in found.good.labels
    limit = _VARIES if named else _VARIES_UNNAMED
    names = [f"{found.skeleton.joints[a]}-{found.skeleton.joints[b]}" for a, b in found.skeleton.bones]
    varying = {name: share for name, share in zip(names, found.variation.tolist(), strict=True) if share > limit}
    if varying:
        worst = max(varying, key=varying.__getitem__)
        who = "within a subject" if named else "from pose to pose"
        more = f" and {len(varying) - 1} more" if len(varying) > 1 else ""
        yield (
            f"Bones do not keep their length {who}: {worst}{more} vary by {varying[worst]:.0%} of it. The joints are "
            "noisy, or several people have one label."
        )
    uneven = {pair: share for pair, share in found.asymmetry.items() if abs(share) > _ASYMMETRIC}
    if uneven:
        worst = max(uneven, key=lambda pair: abs(uneven[pair]))
        longer = "longer" if uneven[worst] > 0 else "shorter"
        yield (
            f"Left and right differ: the bone to {worst.partition('/')[0]} is {abs(uneven[worst]):.0%} {longer} than "
            f"that to {worst.partition('/')[2]}; a joint may have the wrong name."
        )
    depth = found.good.root[:, 2].double().numpy()
    behind = float((found.good.absolute[..., 2] <= 0).float().mean())
    if behind:
        yield f"{behind:.2%} of joints are behind their camera; positions are in the camera frame, z forward, metres."
    elif not _DEPTHS[0] <= float(np.median(depth)) <= _DEPTHS[1]:
        yield f"People are {float(np.median(depth)):.3g} m from their camera (median): the unit is wrong."


def _posture(found: Measures) -> Iterator[str]:
    if found.upright is not None:
        down, median = float((found.upright < 0).mean()), float(np.median(found.upright))
        if down > 0.5 and median < -0.3:
            yield f"{down:.0%} of people are upside down, heads below feet: y points the wrong way."
        elif median < 0.3:
            yield "Most people lie: heads are not above feet, so the vertical axis is probably another."
    if found.knees is not None:
        bent = found.knees[np.abs(found.knees) > _BENT]
        backwards = float((bent < 0).mean()) if len(bent) else 0.0
        if len(bent) >= 0.02 * len(found.knees) and backwards > 0.5:
            yield (
                f"{backwards:.0%} of bent knees bend backwards: left and right are exchanged, or poses are mirrored."
            )


def _projection(found: Measures) -> Iterator[str]:
    share = found.projection / np.maximum(found.sizes, 1e-9)[:, None]
    median, some = float(np.median(share)), float(np.percentile(share, 99))
    if median <= _FAR_MEDIAN and some <= _FAR_SOME:
        return
    order = list(found.skeleton.flip_index)
    exchanged = (found.good.camera.project(found.good.absolute)[:, order] - found.good.joints_2d).norm(dim=-1).numpy()
    pixels, most = float(np.median(found.projection)), float(np.percentile(found.projection, 99))
    text = f"2D joints are {pixels:.1f} pixels from the projection of the 3D joints (median; 99 %: {most:.1f})"
    if float(np.percentile(exchanged, 99)) < 0.3 * most:
        yield f"{text}: left and right are exchanged between the two."
    else:
        yield f"{text}: cameras, distortion, or the order of the joints do not belong to them."
