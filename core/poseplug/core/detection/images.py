"""Images of files and folders, upright, as tensors."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from poseplug.core.errors import PoseplugError, one_line
from poseplug.core.keypoints.formats.frame_names import in_order

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
# The largest cameras have as many; a small file can claim far more than memory holds. Pillow stops at 178 million.
_MOST_PIXELS = 150_000_000


def image_files(path: Path) -> list[tuple[int, Path]]:
    """Return the pictures of a folder with the numbers of their frames, in order, or a picture alone.

    Frames have the numbers in their names, if all are named alike; otherwise they are counted from 0, by name.

    Raises:
        PoseplugError: there is none; a folder cannot be read, has frames of several videos, or one twice.
    """
    if not path.exists():
        raise PoseplugError(f"There is no picture or folder '{path}'; check the path.")
    if not path.is_dir():
        return [(0, path)]
    try:
        names = [file.name for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.name[0] != "."]
    except OSError as error:
        raise PoseplugError(f"Cannot read '{path}': {error.strerror or error}; check the path.") from None
    if not names:
        raise PoseplugError(f"The folder '{path}' has no pictures ({', '.join(SUFFIXES)}); choose one that has.")
    return [(frame, path / name) for frame, name in in_order(sorted(names), f"'{path}'")]


def read_image(path: Path) -> Tensor:
    """Return a picture as [3, H, W] uint8, RGB, turned upright as its EXIF data say.

    Grey becomes RGB, what is transparent becomes black, 16 bits become 8, and of several frames the first is taken.

    Raises:
        PoseplugError: Pillow is not installed; the file is missing, damaged, no picture, or too large.
    """
    pillow, turned = _pillow()
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures and of odd EXIF data; the former are refused below.
            warnings.simplefilter("ignore")
            with pillow.open(path) as image:
                if image.width * image.height > _MOST_PIXELS:
                    raise pillow.DecompressionBombError
                pixels = np.array(_rgb(turned(image), pillow))
    except pillow.DecompressionBombError:
        raise PoseplugError(f"'{path}' has more than {_MOST_PIXELS:,} pixels; make it smaller.") from None
    except FileNotFoundError:
        raise PoseplugError(f"There is no picture '{path}'; check the path.") from None
    except MemoryError:
        raise PoseplugError(f"'{path}' does not fit into memory; make it smaller.") from None
    except Exception as error:  # of the readers of many formats
        raise PoseplugError(
            f"'{path}' is damaged or no picture that can be read ({one_line(error)}); write it again, as PNG or JPEG."
        ) from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _rgb(image: Any, pillow: Any) -> Any:
    if image.mode.startswith("I;16") or image.mode == "I":
        values = np.asarray(image).astype(np.int64)
        return pillow.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        whole = image.convert("RGBA")
        return pillow.alpha_composite(pillow.new("RGBA", whole.size, (0, 0, 0, 255)), whole).convert("RGB")
    return image.convert("RGB")


def _pillow() -> tuple[Any, Any]:
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise PoseplugError("Pictures need 'pillow', which is not installed: pip install 'poseplug[viz]'") from None
    return Image, ImageOps.exif_transpose
