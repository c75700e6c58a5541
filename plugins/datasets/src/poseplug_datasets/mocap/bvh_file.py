"""Reading BVH files: the hierarchy and the numbers, with every kind of damage named by line."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt

from poseplug.core.errors import PoseplugError

END = "/End"
_CHANNELS = {f"{axis}{kind}": f"{axis.upper()}{kind}" for axis in "xyz" for kind in ("position", "rotation")}
_MOTION = re.compile(r"^[ \t]*MOTION[ \t]*$", re.MULTILINE | re.IGNORECASE)
_FRAMES = re.compile(r"\s*Frames\s*:\s*(\S*)[ \t]*\n", re.IGNORECASE)
_FRAME_TIME = re.compile(r"\s*Frame\s+Time\s*:\s*(\S*)[ \t]*(?:\n|$)", re.IGNORECASE)
_STATEMENTS = re.compile(r"([{}])|\s+(?=(?:OFFSET|CHANNELS)\s)", re.IGNORECASE)
_REMEDY = "export the file again, or move it out of the folder"


@attrs.frozen
class Joint:
    """One joint of a hierarchy; an End Site is a joint without channels, named after its parent ("Head/End").

    Attributes:
        name: unique in its file.
        parent: index of its parent, -1 for the root.
        offset: where it sits in its parent's frame, in the file's unit.
        channels: "Xposition", "Zrotation" and so on, in the file's order.
    """

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[str, ...]


@attrs.frozen(eq=False)
class Clip:
    """What a BVH file holds.

    Attributes:
        path: the file.
        joints: parents before children.
        motion: [F, C] channel values: degrees, and the file's unit of length.
        frame_time: seconds between two frames.
    """

    path: Path
    joints: tuple[Joint, ...]
    motion: npt.NDArray[np.float64]
    frame_time: float

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(joint.name for joint in self.joints)


def read_bvh(path: Path) -> Clip:
    """Return the contents of a BVH file.

    Keywords may be in any case; tabs, blank lines, any line ending and scientific notation are understood.

    Raises:
        PoseplugError: the file cannot be read or is damaged; names the file, the line and what is wrong with it.
    """
    text = _text(path)
    motion = _MOTION.search(text)
    header = text[: motion.start()] if motion else text
    joints = _Hierarchy(path).parse(header)
    if motion is None:
        raise _damaged(path, text.count("\n") + 1, "the file ends before its MOTION part")
    channels = sum(len(joint.channels) for joint in joints)
    frames, frame_time, start = _motion_header(path, text, motion.end())
    values = _motion_block(path, text, start, frames, channels)
    return Clip(path, joints, values, frame_time)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PoseplugError(f"Cannot read '{path}': {error.strerror or error}; check the path.") from None
    if not data.strip():
        raise PoseplugError(f"'{path}' is empty; expected a BVH file. {_REMEDY.capitalize()}.")
    if b"\0" in data[:4096]:
        raise PoseplugError(f"'{path}', line 1: not text but binary data; expected a BVH file. {_REMEDY.capitalize()}.")
    return data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def _damaged(path: Path, line: int, reason: str) -> PoseplugError:
    return PoseplugError(f"'{path}', line {line}: {reason}; {_REMEDY}.")


class _Hierarchy:
    """Parses the HIERARCHY part, statement by statement."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 1
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[tuple[float, float, float] | None] = []
        self.channels: list[tuple[str, ...]] = []
        self.open: list[int] = []
        self.pending = False

    def parse(self, header: str) -> tuple[Joint, ...]:
        statements = _statements(header)
        self.line, first = next(statements, (1, ""))
        if first.upper() != "HIERARCHY":
            raise self._error(f"expected HIERARCHY, found '{first[:40]}'; this is not a BVH file")
        for self.line, statement in statements:
            self._take(statement)
        if self.open or self.pending or not self.names:
            raise self._error("the hierarchy ends unfinished: a joint or a closing brace is missing")
        return tuple(self._joint(i) for i in range(len(self.names)))

    def _error(self, reason: str) -> PoseplugError:
        return _damaged(self.path, self.line, reason)

    def _take(self, statement: str) -> None:
        keyword, _, rest = statement.partition(" ")
        keyword = keyword.upper()
        if self.pending and keyword != "{":
            raise self._error(f"expected '{{' after joint '{self.names[-1]}', found '{statement[:40]}'")
        if keyword in ("ROOT", "JOINT") or statement.upper() == "END SITE":
            self._begin(keyword, rest.strip())
        elif keyword == "{" and self.pending:
            self.pending = False
            self.open.append(len(self.names) - 1)
        elif keyword == "}" and self.open:
            self._close()
        elif keyword in ("OFFSET", "CHANNELS") and self.open:
            self._fill(self.open[-1], keyword, rest.split())
        else:
            raise self._error(f"did not expect '{statement[:40]}' here")

    def _begin(self, keyword: str, name: str) -> None:
        if keyword == "ROOT" and self.names:
            raise self._error(f"a second ROOT '{name}'; files with several skeletons are not supported, split them")
        if keyword != "ROOT" and not self.open:
            raise self._error(f"{keyword} '{name}' stands outside the ROOT")
        parent = self.open[-1] if self.open else -1
        if keyword == "END":
            name = self.names[parent] + END
            # Some exporters close one joint with several End Sites.
            name += str(self.names.count(name) + 1) if name in self.names else ""
        if not name:
            raise self._error(f"{keyword} without a name")
        if name in self.names:
            raise self._error(f"a second joint is called '{name}'; names must differ")
        self.names.append(name)
        self.parents.append(parent)
        self.offsets.append(None)
        self.channels.append(())
        self.pending = True

    def _close(self) -> None:
        joint = self.open.pop()
        if self.offsets[joint] is None:
            raise self._error(f"joint '{self.names[joint]}' has no OFFSET")

    def _fill(self, joint: int, keyword: str, values: list[str]) -> None:
        if keyword == "OFFSET":
            numbers = [_number(value) for value in values]
            if len(numbers) != 3 or not all(math.isfinite(number) for number in numbers):
                raise self._error(f"OFFSET of '{self.names[joint]}' must be three numbers, found '{' '.join(values)}'")
            self.offsets[joint] = (numbers[0], numbers[1], numbers[2])
            return
        known = tuple(_CHANNELS.get(value.lower(), "") for value in values[1:])
        if not values or values[0] != str(len(known)) or not all(known):
            raise self._error(f"CHANNELS of '{self.names[joint]}' cannot be understood: '{' '.join(values)}'")
        self.channels[joint] = known

    def _joint(self, index: int) -> Joint:
        offset = self.offsets[index]
        assert offset is not None, "a joint is closed only with an offset"
        return Joint(self.names[index], self.parents[index], offset, self.channels[index])


def _statements(header: str) -> Iterator[tuple[int, str]]:
    """Give (line number, statement) with single spaces; braces stand alone wherever they were written."""
    for number, line in enumerate(header.split("\n"), 1):
        for part in _STATEMENTS.split(" " + line):
            if part and part.strip():
                yield number, " ".join(part.split())


def _number(text: str) -> float:
    """Return a number as files write it, or NaN (Python's own "1_000" is none)."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def _motion_header(path: Path, text: str, position: int) -> tuple[int, float, int]:
    """Return the number of frames, the frame time and where the numbers start in the text."""
    frames = _FRAMES.match(text, position)
    if frames is None or not frames[1].isdecimal():
        line = text.count("\n", 0, position) + 2
        raise _damaged(path, line, "expected 'Frames: N' after MOTION")
    frame_time = _FRAME_TIME.match(text, frames.end())
    if frame_time is None or not math.isfinite(_number(frame_time[1])):
        raise _damaged(path, text.count("\n", 0, frames.end()) + 1, "expected 'Frame Time: SECONDS' after 'Frames'")
    if int(frames[1]) == 0:
        raise _damaged(path, text.count("\n", 0, frames.end()), "the motion has no frames")
    return int(frames[1]), float(frame_time[1]), frame_time.end()


def _motion_block(path: Path, text: str, start: int, frames: int, channels: int) -> npt.NDArray[np.float64]:
    """Return the numbers [frames, channels]; one fast pass, and a slow one only to explain damage."""
    block = text[start:]
    if block.strip() and channels:
        try:
            values = np.loadtxt(io.StringIO(block), ndmin=2, comments=None)
        except ValueError:
            pass
        else:
            if values.shape == (frames, channels) and np.isfinite(values).all():
                return values
    raise _explain_motion(path, text, start, frames, channels)


def _explain_motion(path: Path, text: str, start: int, frames: int, channels: int) -> PoseplugError:
    """Return the error that names the first bad line of a damaged motion block."""
    found, last = 0, text.rstrip().count("\n") + 1
    for line, row in enumerate(text[start:].split("\n"), text.count("\n", 0, start) + 1):
        values = row.split()
        if not values:
            continue
        found += 1
        for value in values:
            if not math.isfinite(_number(value)):
                return _damaged(path, line, f"frame {found} holds '{value[:20]}' where a finite number is expected")
        if len(values) != channels:
            return _damaged(path, line, f"frame {found} has {len(values)} of {channels} numbers")
    if found < frames:
        return _damaged(path, last, f"the motion is cut off: {found} of the {frames} frames it announces")
    return _damaged(path, last, f"found {found} frames where 'Frames:' announces {frames}")
