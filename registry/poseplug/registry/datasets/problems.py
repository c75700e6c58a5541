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
_IMPLAUSIBLE = 0.1
# Of fewer poses of a subject nothing is said; so many subjects are looked at one by one.
_FEW, _SUBJECTS = 30, 100


def problems(found: Measures) -> list[str]:
    """Return a sentence for each thing that looks wrong; none for a data set without."""
    said = [*_missing(found)]
    if len(found.good):
        said += [*_image(found)]
        if found.good.joints_3d is not None:
            said += _of_all_or_some(found)
    return said


def _of_all_or_some(found: Measures) -> list[str]:
    """Check bodies and projections of all together, and of each subject: of whom one may be wrong."""
    said: list[str] = []
    subjects = [(name, own) for name, own in found.by_subject() if len(own.good) >= _FEW][:_SUBJECTS]
    for check in (_height, _bones, _symmetry, _depth, _posture, _knees, _limbs, _projection):
        of_all = check(found)
        of_some = [(name, of_one) for name, own in subjects if (of_one := check(own))] if len(subjects) > 1 else []
        if 0 < len(of_some) < len(subjects):
            name, first = of_some[0]
            more = f" So it is with {len(of_some) - 1} more subjects." if len(of_some) > 1 else ""
            said.append(f"Subject {name}: {first}{more}")
        elif of_all:
            said.append(of_all)
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


def _height(found: Measures) -> str:
    height = float(np.median(found.heights))
    if _HEIGHTS[0] <= height <= _HEIGHTS[1]:
        return ""
    factor = _USUAL / max(height, 1e-12)
    return (
        f"People are {height:.3g} m tall (median), and should be {_HEIGHTS[0]} to {_HEIGHTS[1]}: the unit is wrong, "
        f"by a factor of about {factor:.2g}."
    )


def _bones(found: Measures) -> str:
    named = "subject" in found.good.labels
    limit = _VARIES if named else _VARIES_UNNAMED
    names = found.skeleton.bone_names
    varying = {name: share for name, share in zip(names, found.variation.tolist(), strict=True) if share > limit}
    if not varying:
        return ""
    worst = max(varying, key=varying.__getitem__)
    who = "within a subject" if named else "from pose to pose"
    more = f" and {len(varying) - 1} more" if len(varying) > 1 else ""
    return (
        f"Bones do not keep their length {who}: {worst}{more} vary by {varying[worst]:.0%} of it. The joints are "
        "noisy, or several people have one label."
    )


def _symmetry(found: Measures) -> str:
    uneven = {pair: share for pair, share in found.asymmetry.items() if abs(share) > _ASYMMETRIC}
    if not uneven:
        return ""
    worst = max(uneven, key=lambda pair: abs(uneven[pair]))
    left, _, right = worst.partition("/")
    return (
        f"Left and right differ: the bone to {left} is {abs(uneven[worst]):.0%} "
        f"{'longer' if uneven[worst] > 0 else 'shorter'} than that to {right}; a joint may have the wrong name."
    )


def _depth(found: Measures) -> str:
    median = float(found.good.root[:, 2].double().median())
    behind = float((found.good.absolute[..., 2] <= 0).float().mean())
    if behind:
        return f"{behind:.2%} of joints are behind their camera; positions are in the camera frame, z forward, metres."
    if not _DEPTHS[0] <= median <= _DEPTHS[1]:
        return f"People are {median:.3g} m from their camera (median): the unit is wrong."
    return ""


def _posture(found: Measures) -> str:
    if found.upright is None:
        return ""
    down, median = float((found.upright < 0).mean()), float(np.median(found.upright))
    if down > 0.5 and median < -0.3:
        return f"{down:.0%} of people are upside down, heads below feet: y points the wrong way."
    if median < 0.3:
        return "Most people lie: heads are not above feet, so the vertical axis is probably another."
    return ""


def _knees(found: Measures) -> str:
    if found.knees is None:
        return ""
    bent = found.knees[np.abs(found.knees) > _BENT]
    backwards = float((bent < 0).mean()) if len(bent) else 0.0
    if len(bent) < 0.02 * len(found.knees) or backwards <= 0.5:
        return ""
    return f"{backwards:.0%} of bent knees bend backwards: left and right are exchanged, or poses are mirrored."


def _limbs(found: Measures) -> str:
    shares = dict(found.implausible)
    share = shares.pop("", 0.0)
    if share <= _IMPLAUSIBLE or _bones(found) or _knees(found):  # from these it follows
        return ""
    worst = max(shares, key=shares.__getitem__)
    return (
        f"{share:.0%} of poses hold a limb as no body can, most often {worst} ({shares[worst]:.0%}): joints have wrong "
        "names, sides or signs, or these people can do more than poseplug's limits know (poseplug data limits)."
    )


def _projection(found: Measures) -> str:
    share = found.projection / np.maximum(found.sizes, 1e-9)[:, None]
    median, some = float(np.median(share)), float(np.percentile(share, 99))
    if median <= _FAR_MEDIAN and some <= _FAR_SOME:
        return ""
    order = list(found.skeleton.flip_index)
    exchanged = (found.good.camera.project(found.good.absolute)[:, order] - found.good.joints_2d).norm(dim=-1).numpy()
    pixels, most = float(np.median(found.projection)), float(np.percentile(found.projection, 99))
    text = f"2D joints are {pixels:.1f} pixels from the projection of the 3D joints (median; 99 %: {most:.1f})"
    if float(np.percentile(exchanged, 99)) < 0.3 * most:
        return f"{text}: left and right are exchanged between the two."
    return f"{text}: cameras, distortion, or the order of the joints do not belong to them."
