"""Directions of limbs: where a bone is held is where it is drawn, and what is allowed and covered can be worked out."""

import json
import math
import re

import attrs
import numpy as np
import pytest
import torch

from poseplug.core.anatomy.limb_frames import (
    from_spherical,
    limb_vectors,
    place_limbs,
    poses_first,
    poses_last,
    torso_frames,
)
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.kinematics import joints_from_bones
from poseplug.core.geometry.layouts import H36M_16, LAYOUTS
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.sources.pose_table import PoseTable
from poseplug.registry.api import plot_data
from poseplug.registry.datasets.directions import CELL, directions

LIMBS = limbs_of(H36M_16)
FEW = "builtin:split=all,takes=1,frames=4"


class Caps:
    """Bones may be within an angle of +z (forwards); those that hang from another, of where this one points."""

    def __init__(self, degrees=60.0):
        self.least = math.cos(math.radians(degrees))

    def valid(self, held, limbs):
        fine = []
        for i, bone in enumerate(limbs.bones):
            about = torch.tensor([0.0, 0.0, 1.0])[:, None] if bone.parent < 0 else held[:, bone.parent]
            fine.append((held[:, i] * about).sum(0) >= self.least)
        return torch.stack(fine)


def posed(held):
    """A person whose limb bones have these directions [3, B, N] in their own frames."""
    n = held.shape[2]
    rest = joints_from_bones(torch.tensor(H36M_16.rest_directions)[None] * 0.3, torch.zeros(1, 3), H36M_16)
    torso = poses_last(rest.expand(n, 16, 3))
    lengths = torch.full((len(LIMBS.bones), n), 0.3)
    placed = place_limbs(torso, limb_vectors(torso_frames(torso, LIMBS), held, lengths, LIMBS), LIMBS)
    camera = Camera.shared(n, (900.0, 900.0), (500.0, 500.0), (1000.0, 1000.0))
    return PoseBatch.seen(H36M_16, poses_first(placed) + torch.tensor([0.0, 0.0, 4.0]), camera)


def spread(n=1, seed=0):
    """Random directions [3, B, N]."""
    noise = torch.randn(3, len(LIMBS.bones), n, generator=torch.Generator().manual_seed(seed))
    return noise / noise.norm(dim=0)


def kind_of(found, name):
    return next(kind for kind in found.kinds if kind.name == name)


@pytest.mark.parametrize(("name", "bone"), [("upper arm", "Shoulder-{}Elbow"), ("shin", "Knee-{}Foot")])
@pytest.mark.parametrize(("azimuth", "elevation"), [(12.0, 33.0), (-171.0, -88.0), (94.0, 0.5), (177.5, 89.0)])
def test_a_bone_is_drawn_where_it_is_held(name, bone, azimuth, elevation):
    """Both sides held alike, in the mirror, come into one cell."""
    held = spread()
    way = from_spherical(*(torch.tensor(math.radians(angle)) for angle in (azimuth, elevation)))
    for side, sign in (("L", -1.0), ("R", 1.0)):
        held[:, LIMBS.names.index(side + bone.format(side)), 0] = way * torch.tensor([sign, 1.0, 1.0])
    share = kind_of(directions([("x", posed(held))], Caps()), name).held[0].share
    assert share.shape == (180 // CELL, 360 // CELL)
    expected = np.zeros_like(share)
    expected[int((elevation + 90) // CELL), int((azimuth + 180) // CELL)] = 1
    np.testing.assert_array_equal(share, expected)


def area(cells):
    """The share of the sphere that cells take up."""
    edges = np.sin(np.radians(np.arange(-90, 91, CELL)))
    return float((np.diff(edges)[:, None] * cells).sum() / (2 * cells.shape[1]))


@pytest.mark.parametrize("degrees", [30, 60, 100])
def test_what_is_allowed_is_as_large_as_it_should_be(degrees):
    """A cap, and a cap of twice the angle for a bone that may be so far from one in a cap; to within cells."""
    found = directions([("x", posed(spread()))], Caps(degrees))

    def cap(angle):
        return (1 - math.cos(math.radians(min(180, max(0, angle))))) / 2

    for kind in found.kinds:
        least, most = (degrees - 3, degrees + 3) if kind.order == 1 else (2 * degrees - 8, 2 * degrees + 3)
        assert cap(least) <= area(kind.allowed) <= cap(most) + 1e-9
        assert (kind.straight is None) == (kind.order == 1)
    straight = kind_of(found, "shin").straight
    assert straight == pytest.approx((45, math.degrees(math.asin(1 / math.sqrt(3)))), abs=1e-3)


def test_all_that_is_covered_and_within():
    """Of very many random directions, every allowed cell has one, and as many are within as its share of the sphere."""
    n = 60_000
    found = directions([("x", posed(spread(n)))], Caps(60))
    arm, forearm = kind_of(found, "upper arm"), kind_of(found, "forearm")
    assert arm.held[0].covered > 0.97
    assert arm.held[0].inside == pytest.approx(0.25, abs=0.01)
    assert forearm.held[0].inside == pytest.approx(0.25, abs=0.01)
    assert found.within[0] == pytest.approx(0.25**9, abs=1e-3)
    assert arm.held[0].bones == 2 * n
    few = directions([("x", posed(spread(n)[:, :, :1]))], Caps(60))
    assert kind_of(few, "head").held[0].covered in (0.0, pytest.approx(0.0045, abs=0.004))


def test_the_outline_goes_between_allowed_and_forbidden_cells():
    """As long as the cells' borders, counted one by one; azimuth goes round."""
    kind = kind_of(directions([("x", posed(spread()))], Caps(100)), "thigh")
    rows, columns = kind.allowed.shape
    borders = 0
    for row in range(rows):
        for column in range(columns):
            borders += bool(kind.allowed[row, column] != kind.allowed[row, (column + 1) % columns])
            borders += row + 1 < rows and bool(kind.allowed[row, column] != kind.allowed[row + 1, column])
    around = int((kind.allowed[:, 0] != kind.allowed[:, -1]).sum())  # drawn at both ends
    x, y = kind.outline
    assert np.isnan(x).sum() == borders + around
    length = np.nansum(np.abs(np.diff(x)) + np.abs(np.diff(y)))
    assert length == CELL * (borders + around)


def test_two_sources_of_two_skeletons():
    flat = LAYOUTS["coco17"]  # has no head that limbs know of
    joints = torch.randn(50, 17, 3, generator=torch.Generator().manual_seed(0)) * 0.3 + torch.tensor([0.0, 0.0, 4.0])
    camera = Camera.shared(50, (900.0, 900.0), (500.0, 500.0), (1000.0, 1000.0))
    other = PoseBatch.seen(flat, joints, camera)
    found = directions([("one", posed(spread(20))), ("other", other)], Caps())
    assert [kind.name for kind in found.kinds] == ["head", "upper arm", "forearm", "thigh", "shin"]
    assert [held is None for held in found.kinds[0].held] == [False, True]
    assert found.poses == [20, 50]
    lines = list(found.lines())
    assert lines[0][0] == "head"
    assert lines[0][3:] == ("", "")
    assert {len(line) for line in lines} == {len(found.columns)} == {5}


def test_what_users_may_get_wrong(tmp_path):
    batch = posed(spread(5))
    with pytest.raises(PoseplugError, match="'x' gives 2D only"):
        directions([("x", attrs.evolve(batch, joints_3d=None))], Caps())
    snake = Skeleton("snake", ("a", "b", "c"), ("", "a", "b"))
    of_snake = PoseBatch(snake, batch.joints_2d[:, :3], batch.camera, batch.joints_3d[:, :3])
    with pytest.raises(PoseplugError, match="'snake' has no limbs"):
        directions([("x", of_snake)], Caps())
    for options in ({"against": FEW}, {"limits": tmp_path / "nowhere"}):
        with pytest.raises(PoseplugError, match="--show directions|nowhere"):
            plot_data(PoseTable(batch), tmp_path / "a.png", "poses", **options)
    with pytest.raises(PoseplugError, match="nowhere"):
        plot_data(PoseTable(batch), tmp_path / "a.png", "directions", limits=tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_picture_is_drawn(poseplug, tmp_path, suffix, begins):
    other = "builtin:split=all,takes=1,frames=2,skeleton=h36m17,cameras=random,elevation=[0.1,0.4]"
    out = f"made/bones.{suffix}"
    done = poseplug("data", "plot", FEW, out, "--show", "directions", *["--against", other][: 2 * (suffix != "pdf")])
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / out).read_bytes().startswith(begins)
    assert re.search(r"^shin +\d+\.\d% +\d+\.\d%", done.stdout, re.M)
    assert re.search(r"^all bones of a pose +\d+\.\d%", done.stdout, re.M)


def test_a_page_has_a_figure_for_each_kind_of_bone(poseplug, tmp_path):
    done = poseplug("data", "plot", FEW, "few.html", "--show", "directions", "--against", "fk_generator")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "few.html").read_text()
    figures = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])["figures"]
    named = {f"direction-{name}" for name in ("head", "upper-arm", "forearm", "thigh", "shin")}
    assert named <= figures.keys()
    shin = figures["direction-shin"]
    assert [trace["type"] for trace in shin["data"]] == ["heatmap", "heatmap", "scatter", "scatter"] * 2
    assert {trace["xaxis"] for trace in shin["data"]} == {"x", "x2"}
    assert "Allowed and covered" in page
