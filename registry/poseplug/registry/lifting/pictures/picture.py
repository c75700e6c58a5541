"""Pictures of what was lifted: some frames beside each other (PNG), or all one after the other (GIF)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poseplug.core.errors import PoseplugError
from poseplug.core.storage.files import write_whole
from poseplug.registry.lifting.lifted import Lifted
from poseplug.registry.lifting.pictures.choice import USUAL_FPS, evenly, people_in, stretch
from poseplug.registry.lifting.pictures.drawing import Stage, pillow

# Frames of a PNG, and of a GIF: more are thinned out evenly.
_STILL, _MOVING, _COLUMNS = 6, 150, 2


def check_picture(path: Path) -> None:
    """Raise PoseplugError unless the picture can be drawn: its suffix is known and Pillow is there."""
    if path.suffix.lower() not in (".png", ".gif"):
        raise PoseplugError(f"--picture '{path}': the suffix must be .png or .gif.")
    pillow()


def write_picture(path: Path, lifted: Lifted) -> list[Path]:
    """Write a picture of at most 6 frames, or a GIF of at most 150; what was seen stands beside what was lifted.

    Raises:
        PoseplugError: it cannot be written.
    """
    image_kind, _ = pillow()
    moving = path.suffix.lower() == ".gif"
    every = np.unique(lifted.frame[lifted.good])
    frames = stretch(lifted, _MOVING) if moving else evenly(every, _STILL)
    shown = [lifted.rows(people_in(lifted, int(frame))) for frame in frames]
    stage = Stage.around(lifted.skeleton, shown, 320 if moving else 300)
    drawn = [stage.draw(poses, f"frame {frame}") for frame, poses in zip(frames, shown, strict=True)]
    if moving:
        seconds = (int(frames[-1]) - int(frames[0])) / (lifted.fps or USUAL_FPS)
        each = min(max(1000 * seconds / max(len(frames) - 1, 1), 20), 500)
        palette = drawn[len(drawn) // 2].quantize(64)
        first, *others = [image.quantize(palette=palette, dither=image_kind.Dither.NONE) for image in drawn]
        save = {"save_all": True, "append_images": others, "duration": round(each / 10) * 10, "loop": 0, "disposal": 1}
        write_whole(path, lambda temporary: first.save(temporary, "GIF", **save))
    else:
        width, height = drawn[0].size
        columns = min(_COLUMNS, len(drawn))
        whole = image_kind.new("RGB", (columns * width, -(-len(drawn) // columns) * height), "#ffffff")
        for number, image in enumerate(drawn):
            whole.paste(image, (number % columns * width, number // columns * height))
        write_whole(path, lambda temporary: whole.save(temporary, "PNG"))
    return [path]
