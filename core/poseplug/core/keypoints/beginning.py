"""What the beginning of a file tells of its format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError
from poseplug.core.keypoints.file_values import shown
from poseplug.core.keypoints.formats.csv_table import is_table
from poseplug.core.keypoints.formats.frame_names import json_files
from poseplug.core.keypoints.json_stream import JsonStream

# Of an object, keys are looked at up to one of these: the next values may be all of a large file.
_TELLING = (
    "annotations",
    "images",
    "categories",
    "people",
    "instance_info",
    "meta_info",
    "landmarks",
    "pose_landmarks",
)


@attrs.frozen
class Beginning:
    """The beginning of a file, or of the first of a folder that tells anything.

    Attributes:
        path: the file or folder.
        kind: "npy", "zip", "object", "list", "table", "text" or "binary".
        folder: whether it is a folder's first file.
        keys: of an object, its first keys.
        first: of a list, its first item that is not null or empty; of an object, the first value if it is an object.
    """

    path: Path
    kind: str
    folder: bool = False
    keys: tuple[str, ...] = ()
    first: Any = None

    @property
    def described(self) -> str:
        """What was found, for messages."""
        found = {
            "npy": "an array of NumPy's",
            "zip": "a zip archive",
            "object": f"a JSON object with the keys {', '.join(map(shown, self.keys[:6])) or '(none)'}",
            "list": f"a JSON list whose first item is {_item(self.first)}",
            "table": "a table of key points",
            "text": "text that is neither JSON nor a table of key points",
            "binary": "binary data",
        }[self.kind]
        return f"a folder whose first file is {found}" if self.folder else found


def _item(item: Any) -> str:
    if isinstance(item, dict):
        return f"an object with the keys {', '.join(map(shown, [*item][:6])) or '(none)'}"
    return shown(item)


def look_at(path: Path) -> Beginning:
    """Return the beginning of a file or folder.

    Raises:
        PoseplugError: it cannot be read, is empty, or begins with damaged JSON.
    """
    if path.is_dir():
        names = json_files(path)
        if not names:
            raise PoseplugError(f"The folder '{path}' has no JSON files; give a file, or OpenPose's folder.")
        # Of images on which nobody was found, MMPose writes empty lists.
        beginnings = (look_at(path / name) for name in names)
        telling = next((file for file in beginnings if file.keys or file.first is not None), None)
        return attrs.evolve(telling or look_at(path / names[0]), path=path, folder=True)
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise PoseplugError(f"Cannot read '{path}': {error.strerror or error}; check the path.") from None
    if not head.strip():
        raise PoseplugError(f"'{path}' is empty; expected key points.")
    if head.startswith(b"\x93NUMPY"):
        return Beginning(path, "npy")
    if head.startswith(b"PK"):
        return Beginning(path, "zip")
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if begins[:1] in (b"{", b"[") or begins.startswith(b"null"):
        return _json(path)
    first_line = head.partition(b"\n")[0].decode("utf-8-sig", errors="replace")
    if b"\0" in head:
        return Beginning(path, "binary")
    return Beginning(path, "table" if is_table(first_line) else "text")


def _json(path: Path) -> Beginning:
    with JsonStream(path) as stream:
        # Lines of frames may begin with frames in which nobody was found.
        while stream.peek() == "n":
            stream.value()
        if stream.peek() != "{":
            return Beginning(
                path, "list", first=next((item for item in stream.items() if item not in (None, [])), None)
            )
        keys: list[str] = []
        first = None
        for key in stream.members():
            keys.append(key)
            if key in _TELLING or len(keys) == 20:
                break
            if stream.peek() == "{" and first is None:
                first = stream.value()
            else:
                stream.skip()
        return Beginning(path, "object", keys=tuple(keys), first=first)
