"""Pictures of every kind become upright RGB; damaged and huge ones end in one message."""

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from poseplug.core.detection.images import image_files, read_image
from poseplug.core.errors import PoseplugError

PIXELS = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)


def test_a_picture_is_read_as_it_is(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert read.dtype is torch.uint8
    assert torch.equal(read, torch.from_numpy(PIXELS).permute(2, 0, 1))


@pytest.mark.parametrize(
    ("turn", "expected"), [(3, PIXELS[::-1, ::-1]), (6, np.rot90(PIXELS, -1)), (2, PIXELS[:, ::-1])]
)
def test_exif_turns_it_upright(tmp_path, turn, expected):
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png").permute(1, 2, 0).numpy(), expected)


def test_grey_sixteen_bits_palettes_and_transparency(tmp_path):
    grey = PIXELS[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    palette = Image.fromarray(grey).convert("P")
    palette.save(tmp_path / "palette.png")
    alpha = np.dstack([PIXELS, np.full((5, 7), 255, np.uint8)])
    alpha[:, 3:, 3] = 0
    Image.fromarray(alpha).save(tmp_path / "alpha.png")
    of_grey = np.repeat(grey[..., None], 3, axis=2)
    for name in ("grey", "deep", "palette"):
        assert np.array_equal(read_image(tmp_path / f"{name}.png").permute(1, 2, 0).numpy(), of_grey), name
    seen = read_image(tmp_path / "alpha.png").permute(1, 2, 0).numpy()
    assert np.array_equal(seen[:, :3], PIXELS[:, :3])
    assert not seen[:, 3:].any()


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cut.png", "is damaged or no picture"),
        ("cut.jpg", "is damaged or no picture"),
        ("text.jpg", "is damaged or no picture"),
        ("large.png", "has more than 150,000,000 pixels"),
        ("huge.png", "has more than 150,000,000 pixels"),
        ("folder.png", "is damaged or no picture"),
        ("none.png", "There is no picture"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, name, message):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for kind in ("png", "jpg"):
        Image.fromarray(noise).save(tmp_path / f"whole.{kind}")
        whole = (tmp_path / f"whole.{kind}").read_bytes()
        (tmp_path / f"cut.{kind}").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("a photograph")
    (tmp_path / "huge.png").write_bytes(png_header(60000, 60000))
    (tmp_path / "large.png").write_bytes(png_header(16000, 10000))
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(PoseplugError, match=message) as caught:
        read_image(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_pillow_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(PoseplugError, match=r"pip install 'poseplug\[viz\]'"):
        read_image(tmp_path / "a.png")


def test_frames_have_the_numbers_in_their_names(tmp_path):
    for name in ("walk_010.png", "walk_002.PNG", "walk_7.jpg", ".walk_1.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert sorted(path.name for _, path in image_files(tmp_path)) == ["walk_002.PNG", "walk_010.png", "walk_7.jpg"]
    (tmp_path / "walk_7.jpg").unlink()
    (tmp_path / "walk_002.PNG").rename(tmp_path / "walk_002.png")
    assert [(frame, path.name) for frame, path in image_files(tmp_path)] == [(2, "walk_002.png"), (10, "walk_010.png")]
    assert image_files(tmp_path / "walk_010.png") == [(0, tmp_path / "walk_010.png")]


def test_a_folder_without_pictures_is_named(tmp_path):
    with pytest.raises(PoseplugError, match="has no pictures"):
        image_files(tmp_path)
    with pytest.raises(PoseplugError, match="There is no picture or folder"):
        image_files(tmp_path / "nowhere")
