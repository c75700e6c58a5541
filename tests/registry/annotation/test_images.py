"""Images as they are found, measured and given out."""

import io
import os

import pytest
from annotating import ask, message, person, serving

from poseplug.core.errors import PoseplugError
from poseplug.registry.annotation.images import find_images

image_kind = pytest.importorskip("PIL.Image")


def save(path, size=(40, 30), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image_kind.new("RGB", size, (10, 200, 30)).save(path, **options)
    return path


def test_they_are_found_below_folders_in_the_order_of_their_names(tmp_path):
    for name in ("b.png", "a/2.jpg", "a/1.PNG", ".hidden/x.png", "c/.y.png"):
        save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    single = save(tmp_path / "single.bmp")
    found = find_images([tmp_path / "in", single])
    assert [image.name for image in found] == ["a/1.PNG", "a/2.jpg", "b.png", "single.bmp"]
    assert {image.size for image in found} == {(40, 30)}


def test_a_photo_that_was_turned_is_as_it_is_shown(tmp_path):
    exif = image_kind.Exif()
    exif[0x0112] = 6
    (turned,) = find_images([save(tmp_path / "turned.jpg", exif=exif)])
    assert turned.size == (30, 40)
    content, media = turned.shown()
    assert (content, media) == (turned.path.read_bytes(), "image/jpeg")


def test_what_browsers_do_not_show_is_given_as_png(tmp_path):
    exif = image_kind.Exif()
    exif[0x0112] = 8
    (tiff,) = find_images([save(tmp_path / "scan.tif", exif=exif)])
    content, media = tiff.shown()
    assert media == "image/png"
    with image_kind.open(io.BytesIO(content)) as image:
        assert image.size == tiff.size == (30, 40)
        assert image.getpixel((3, 3)) == (10, 200, 30)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"<svg/>", b"\xff\xd8\xff"])
def test_what_is_no_image_is_named(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(PoseplugError, match=r"Cannot read the image '.*broken\.png'"):
        find_images([tmp_path])


def test_the_bomb_is_not_opened(tmp_path):
    """A file that says that it has ten thousand million pixels."""
    from struct import pack
    from zlib import crc32

    head = b"IHDR" + pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = pack(">I", 13) + head + pack(">I", crc32(head))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    with pytest.raises(PoseplugError, match=r"Cannot read the image '.*bomb\.png'"):
        find_images([tmp_path])


def test_an_image_that_goes_away(tmp_path):
    path = save(tmp_path / "in" / "gone.png")
    with serving(tmp_path / "in", tmp_path / "out.safetensors") as server:
        path.unlink()
        status, told = ask(server.address, "images/0")
        assert status == 410
        assert "Cannot read the image" in told["error"]


def test_images_of_subfolders_and_odd_names_are_kept_apart(known, tmp_path):
    names = ["a/x.png", "b/x.png", "b/x y#%?ü.png"]
    for name in names:
        save(tmp_path / "in" / name, (640, 480))
    out = tmp_path / "out.safetensors"
    for _ in range(2):
        with serving(tmp_path / "in", out) as server:
            told = {image["name"]: number for number, image in enumerate(ask(server.address, "about")[1]["images"])}
            assert sorted(told) == sorted(names)
            for shift, name in enumerate(sorted(names)):
                somebody = person(known[1][0] + shift)
                version = server.session.state(told[name]).version
                assert ask(server.address, f"states/{told[name]}", message([somebody], version))[0] == 200
                assert ask(server.address, f"images/{told[name]}")[0] == 200
            assert ask(server.address, "save", {})[1]["people"] == 3
    kept = [os.path.relpath(path, out.with_suffix(".annotations") / "images") for path in folder_of(out)]
    assert sorted(kept) == sorted(f"{name}.json" for name in names)


def folder_of(out):
    return [path for path in (out.with_suffix(".annotations") / "images").rglob("*") if path.is_file()]
