"""Key points in arrays: N people, or T frames of P places for people each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.keypoints.detections import Detections
from poseplug.core.keypoints.people import CHUNK, Size, detections, fitting

Array = npt.NDArray[Any]
# Counts of joints that one layout alone has.
_KNOWN = {LAYOUTS[name].num_joints: LAYOUTS[name] for name in ("openpose25", "halpe26", "mediapipe33")}


@attrs.define(eq=False)
class ArrayFile:
    """A ``KeypointFile`` whose people lie in arrays.

    Attributes:
        path: the file.
        values: [N, J, 2 or 3] x, y and perhaps a score, pixels. Without scores, what is at (0, 0) is missing.
        score: [N, J], where they are apart.
        frame, track, size: as in ``Detections``.
        filled: whether people without a single joint are left out: empty places.
    """

    format: str
    path: Path
    skeleton: Skeleton
    values: Array
    frame: Array
    track: Array
    size: Array
    score: Array | None = None
    filled: bool = False
    fps: float | None = None

    def chunks(self) -> Iterator[Detections]:
        for start in range(0, len(self.values), CHUNK):
            part = slice(start, start + CHUNK)
            found = detections(
                self.path,
                self.skeleton,
                self._with_score(part),
                frame=np.asarray(self.frame[part], dtype=np.int64),
                track=np.asarray(self.track[part], dtype=np.int64),
                size=np.asarray(self.size[part], dtype=np.float64),
                place=lambda row, start=start: f"row {start + row}",  # type: ignore[misc]
            )
            yield found.select(found.confidence.amax(-1) > 0) if self.filled else found

    def _with_score(self, part: slice) -> Array:
        # NaN of any kind becomes NaN; numpy would warn of some.
        with np.errstate(invalid="ignore"):
            values = np.asarray(self.values[part], dtype=np.float64)
            score = None if self.score is None else np.asarray(self.score[part], dtype=np.float64)
        if values.shape[-1] == 3 and score is None:
            return values
        points = values[..., :2]
        if score is None:
            score = (points != 0).any(-1).astype(np.float64)
        return np.concatenate([points, score[..., None]], axis=-1)


def array_file(
    name: str,
    path: Path,
    values: Array,
    asked: Skeleton | None,
    size: Size | None,
    *,
    also: Mapping[str, Any] | None = None,
) -> ArrayFile:
    """Return a file of the array [N, J, 2 or 3] or [T, P, J, 2 or 3]; in the second, places are tracks.

    Args:
        name: of the format.
        path: the file.
        values: x, y and perhaps a score.
        asked: the skeleton that the user asked for.
        size: the images' size.
        also: score [..., J], frame and track [N] or, of frames, [T] and [T, P], size [2] or [N, 2], fps; all optional.

    Raises:
        PoseplugError: an array has another shape or no numbers; the skeleton does not fit or is not known.
    """
    also = also or {}
    check_numbers(path, "the key points", values)
    if values.ndim not in (3, 4) or values.shape[-1] not in (2, 3) or not values.shape[-2]:
        raise PoseplugError(
            f"'{path}': key points have the shape {_shape(values)}; expected [N, J, 2] or [T, P, J, 2], of people or "
            "frames of people with J joints; 3 for 2 with scores."
        )
    skeleton = fitting(path, values.shape[-2], _KNOWN, asked)
    places = values.shape[:-2]
    count = int(np.prod(places))
    frames = np.broadcast_to(np.arange(places[0])[(slice(None), *[None] * (len(places) - 1))], places)
    tracks = np.broadcast_to(np.arange(places[1]) if len(places) == 2 else np.int64(-1), places)

    def given(key: str, default: Array) -> Array:
        array = also.get(key)
        if array is None:
            return default.reshape(count)
        array = np.asarray(array)
        check_numbers(path, key, array, whole=True)
        if array.shape not in (places, places[:1]):
            raise PoseplugError(f"'{path}': {key} has the shape {_shape(array)}; expected {_shape(default)}.")
        return np.broadcast_to(array.reshape(*array.shape, *[1] * (len(places) - array.ndim)), places).reshape(count)

    score = also.get("score")
    if score is not None:
        score = np.asarray(score)
        check_numbers(path, "the score", score)
        if score.shape == (*values.shape[:-1], 1):
            score = score[..., 0]
        if score.shape != values.shape[:-1]:
            raise PoseplugError(f"'{path}': scores have the shape {_shape(score)} and key points {_shape(values)}.")
        score = score.reshape(count, -1)
    return ArrayFile(
        name,
        path,
        skeleton,
        values.reshape(count, *values.shape[-2:]),
        given("frame", frames),
        given("track", tracks),
        _sizes(path, also.get("size"), size, count),
        score,
        filled=len(places) == 2,
        fps=_fps(path, also.get("fps")),
    )


def check_numbers(path: Path, what: str, array: Array, whole: bool = False) -> None:
    """Refuse what is not an array of numbers, or of whole ones."""
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise PoseplugError(f"'{path}': {what} is an array of {array.dtype}; expected numbers.")
    if whole and not ((array > -(2.0**62)) & (array < 2.0**62) & (array == np.trunc(array))).all():
        raise PoseplugError(f"'{path}': {what} is not of whole numbers of at most 62 bits.")


def _shape(array: Array) -> str:
    return f"[{', '.join(map(str, array.shape))}]"


def _sizes(path: Path, given: Any, size: Size | None, count: int) -> Array:
    sizes = np.asarray((size or (0, 0)) if given is None else given)
    check_numbers(path, "size", sizes)
    if sizes.shape not in ((2,), (count, 2)) or not ((sizes >= 0) & (sizes < 1e6)).all():
        raise PoseplugError(f"'{path}': size has the shape {_shape(sizes)}; expected [2] or [N, 2], width and height.")
    return np.broadcast_to(sizes, (count, 2))


def _fps(path: Path, given: Any) -> float | None:
    if given is None:
        return None
    array = np.asarray(given)
    check_numbers(path, "fps", array)
    if array.size != 1 or not 0 < float(array.reshape(())) < 1e5:
        raise PoseplugError(f"'{path}': fps is {given}; expected one number, frames a second.")
    return float(array.reshape(()))
