"""How key points are lifted: what the flags of ``poseplug lift`` say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any, TypedDict

import attrs

from poseplug.core.errors import PoseplugError

VIEWS = ("auto", "given", "centred")
# Longer than any video's track; each frame of the window is a pass over all people.
_LONGEST_WINDOW = 10_000
# Settings that are numbers, and how many.
_NUMBERS = {"size": 2, "focal": 1, "fov": 1, "camera": 4, "tilt": 1, "score": 1, "min_confidence": 1}


@attrs.frozen(kw_only=True)
class LiftSettings:
    """How key points become poses.

    Attributes:
        size: width and height of the images in pixels; None: as the file says, or a guess.
        focal: focal length in pixels; None: from ``fov`` or ``camera``, or a guess.
        fov: horizontal field of view in degrees.
        camera: focal lengths and principal point, fx, fy, cx, cy in pixels.
        tilt: degrees by which the camera looks down, for runs that see whole frames; None: level.
        score: people are found at scores above it, by runs that search; None: as the run's protocol says.
        view: "given" shows the lifter people where they are, "centred" through a camera that is turned towards them,
            "auto" the former unless they lie outside of what the lifter saw in training.
        person: "all", "best" or the number of a track.
        min_confidence: joints below it count as not found.
        max_gap: a joint that is missing in at most so many frames is interpolated over time.
        made: how joints of the run's skeleton are made of the key points, as ``map_layout`` takes it; None: it is
            always missing.
        flip: average with the prediction for the mirror image.
        smooth: frames of the window in which poses are smoothed over time; 0 or 1: they are not.
        fps: frames a second; None: as the file says.
        device: where to compute.

    Raises:
        PoseplugError: a value that cannot be.
    """

    size: tuple[int, int] | None = None
    focal: float | None = None
    fov: float | None = None
    camera: tuple[float, float, float, float] | None = None
    tilt: float | None = None
    score: float | None = None
    view: str = "auto"
    person: str = attrs.field(default="all", converter=str)
    min_confidence: float = 0.1
    max_gap: int = 10
    made: Mapping[str, Any] = attrs.field(factory=dict)
    flip: bool = False
    smooth: int = 0
    fps: float | None = None
    device: str = "auto"

    def __attrs_post_init__(self) -> None:
        for name, count in _NUMBERS.items():
            value = getattr(self, name)
            _expect(
                value is None or _are_numbers(value if count > 1 else [value], count),
                f"'{name}' must be {'a number' if count == 1 else f'{count} numbers'}; got {value!r}.",
            )
        for name in ("max_gap", "smooth"):
            value = getattr(self, name)
            _expect(isinstance(value, Integral), f"'{name}' must be a whole number of frames; got {value!r}.")
        said = [name for name in ("focal", "fov", "camera") if getattr(self, name) is not None]
        if len(said) > 1:
            raise PoseplugError(f"--{said[0]} and --{said[1]} say the same thing twice; give one of them.")
        _expect(self.view in VIEWS, f"--view must be one of {', '.join(VIEWS)}; got '{self.view}'.")
        check_fps(self.fps)
        known = self.person in ("all", "best") or self.person.isdecimal()
        _expect(known, f"--person must be all, best or the number of a track; got '{self.person}'.")
        _expect(0 <= self.min_confidence <= 1, f"--min-confidence must be from 0 to 1, got {self.min_confidence:g}.")
        _expect(self.max_gap >= 0, f"--max-gap must be at least 0, got {self.max_gap}.")
        _expect(
            0 <= self.smooth <= _LONGEST_WINDOW,
            f"--smooth must be from 0 to {_LONGEST_WINDOW} frames, got {self.smooth}.",
        )
        _expect(
            self.size is None or min(self.size) > 0, "--size must be a width and a height above 0, such as 1920x1080."
        )
        _expect(self.focal is None or 0 < self.focal < math.inf, "--focal must be a number of pixels above 0.")
        _expect(self.fov is None or 0 < self.fov < 180, "--fov must be between 0 and 180 degrees.")
        _expect(
            self.camera is None or (min(self.camera[:2]) > 0 and all(map(math.isfinite, self.camera))),
            "--camera must be fx,fy,cx,cy, four numbers of pixels with fx and fy above 0.",
        )
        _expect(self.tilt is None or -90 < self.tilt < 90, "--tilt must be between -90 (up) and 90 (down) degrees.")
        _expect(self.score is None or 0 <= self.score < 1, "--score must be from 0 to below 1.")


class Said(TypedDict, total=False):
    """What may be said of ``LiftSettings``, which explains it; each may be left out."""

    size: tuple[int, int] | None
    focal: float | None
    fov: float | None
    camera: tuple[float, float, float, float] | None
    tilt: float | None
    score: float | None
    view: str
    person: str
    min_confidence: float
    max_gap: int
    made: Mapping[str, Any]
    flip: bool
    smooth: int
    device: str


def _expect(good: bool, otherwise: str) -> None:
    if not good:
        raise PoseplugError(otherwise)


def _are_numbers(values: Any, count: int) -> bool:
    try:
        return len([float(value) for value in values if not isinstance(value, str)]) == count
    except (TypeError, ValueError):
        return False


def check_fps(fps: float | None) -> None:
    """Raise PoseplugError unless frames a second are not said, or a number above 0."""
    if fps is not None:
        _expect(0 < fps < math.inf, f"--fps must be a number of frames a second above 0, got {fps:g}.")


def parse_size(text: str) -> tuple[int, int]:
    """Return width and height from "1920x1080"; raise PoseplugError for anything else."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise PoseplugError(f"--size must be WIDTHxHEIGHT in pixels, such as 1920x1080; got '{text}'.") from None
    return width, height


def parse_camera(text: str) -> tuple[float, float, float, float]:
    """Return fx, fy, cx, cy from four numbers with commas; raise PoseplugError for anything else."""
    try:
        fx, fy, cx, cy = (float(part) for part in text.split(","))
    except ValueError:
        raise PoseplugError(
            f"--camera must be fx,fy,cx,cy in pixels, such as 1145,1145,512,512; got '{text}'."
        ) from None
    return fx, fy, cx, cy


def parse_made(texts: tuple[str, ...] | list[str]) -> dict[str, Any]:
    """Return how joints are made from lines such as "Head=LEar+REar", "Hip=pelvis" or "Spine=none".

    Raises:
        PoseplugError: a line is not like that.
    """
    made: dict[str, Any] = {}
    for text in texts:
        joint, equals, names = (part.strip() for part in text.partition("="))
        parts = [name.strip() for name in names.split("+")]
        if not (joint and equals and all(parts)):
            raise PoseplugError(
                f"--map '{text}' is not JOINT=NAME, JOINT=NAME+NAME (their middle) or JOINT=none, such as "
                "Head=LEar+REar."
            )
        made[joint] = None if parts == ["none"] else parts
    return made


def parse_window(text: str, fps: float | None) -> int:
    """Return the frames of a window from "9" or, where the frames a second are known, "0.3s".

    Raises:
        PoseplugError: it is neither, or nobody knows how long a frame is.
    """
    seconds = text.endswith("s")
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = -1.0
    if value < 0 or not (seconds or value.is_integer()):
        raise PoseplugError(f"--smooth must be a number of frames such as 9, or of seconds such as 0.3s; got '{text}'.")
    if not seconds:
        return int(value)
    if not fps:
        raise PoseplugError(
            "--smooth in seconds needs the frames a second, which the key points do not say; give --fps."
        )
    return round(value * fps)
