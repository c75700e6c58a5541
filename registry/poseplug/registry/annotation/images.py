"""The images that are annotated: found, looked at, and given out as browsers read them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from poseplug.core.errors import PoseplugError, one_line
from poseplug.registry.lifting.pictures.drawing import pillow

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# What browsers show as it is, by Pillow's names.
_SHOWN = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "BMP": "image/bmp", "GIF": "image/gif"}
_ORIENTATION, _ON_THE_SIDE = 0x0112, (5, 6, 7, 8)


@attrs.frozen
class ImageFile:
    """An image.

    Attributes:
        name: its path below the folder that was given, or the name of its file; unique.
        path: where it is.
        size: width and height as it is shown, pixels.
        media: its media type; "" where browsers have to be given another format.
    """

    name: str
    path: Path
    size: tuple[int, int]
    media: str

    def shown(self) -> tuple[bytes, str]:
        """Return bytes that browsers show, and their media type.

        Raises:
            PoseplugError: it cannot be read any more.
        """
        try:
            if self.media:
                return self.path.read_bytes(), self.media
            made = io.BytesIO()
            with pillow()[0].open(self.path) as image:
                _upright(image).convert("RGB").save(made, "PNG")
            return made.getvalue(), "image/png"
        except Exception as error:  # Pillow raises what it likes on damaged files
            raise _unreadable(self.path, error) from None


def find_images(paths: Sequence[Path]) -> tuple[ImageFile, ...]:
    """Return the images of files and folders, these with their subfolders, in the order of their names.

    Raises:
        PoseplugError: there are none, one cannot be read, or two have one name; Pillow is not installed.
    """
    kind, _ = pillow()
    found: dict[str, ImageFile] = {}
    for given in paths:
        for name, path in _named(given):
            if name in found:
                raise PoseplugError(
                    f"'{found[name].path}' and '{path}' are both called '{name}'; give the folder above both of them."
                )
            found[name] = _looked_at(name, path, kind)
    if not found:
        said = ", ".join(f"'{path}'" for path in paths)
        raise PoseplugError(f"There are no images in {said}; expected files that end with {', '.join(_SUFFIXES)}.")
    return tuple(found.values())


def _named(given: Path) -> list[tuple[str, Path]]:
    if not given.exists():
        raise PoseplugError(f"There is no file or folder '{given}'; check the path.")
    if not given.is_dir():
        return [(given.name, given)]
    try:
        below = sorted(path for path in given.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    except OSError as error:
        raise PoseplugError(f"Cannot read the folder '{given}': {error.strerror or error}.") from None
    named = [(path.relative_to(given).as_posix(), path) for path in below]
    return [(name, path) for name, path in named if not any(part.startswith(".") for part in name.split("/"))]


def _looked_at(name: str, path: Path, kind: Any) -> ImageFile:
    try:
        with kind.open(path) as image:
            media = _SHOWN.get(image.format, "")
            width, height = image.size if media else _upright(image).size
            if media and image.getexif().get(_ORIENTATION) in _ON_THE_SIDE:
                width, height = height, width
            return ImageFile(name, path, (width, height), media)
    except Exception as error:  # Pillow raises what it likes on damaged files
        raise _unreadable(path, error) from None


def _upright(image: Any) -> Any:
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def _unreadable(path: Path, error: Exception) -> PoseplugError:
    said = one_line(error).replace(str(path.resolve()), path.name)
    return PoseplugError(f"Cannot read the image '{path}': {said}. Remove it, or write it again.")
