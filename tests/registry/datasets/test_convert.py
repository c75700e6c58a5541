"""Converting: the same poses, in memory that does not grow, and what they were made from."""

import hashlib
import subprocess
import sys

import attrs
import numpy as np
import pytest
import torch
from posefiles import same
from toys import STAR, star_batch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.pose_file_reader import PoseFile
from poseplug.core.data.stored_poses import StoredPoses
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext, FiniteSource, PoseSource
from poseplug.registry.api import convert_data
from poseplug.registry.config.resolve import construct, find_part
from poseplug.registry.config.spec_syntax import parse_spec
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug_datasets.bvh import BVH


def opened(spec):
    return construct(find_part(load_catalogue(), "source", parse_spec(spec)), BuildContext())


def whole(source, size=999):
    return PoseBatch.join(list(source.batches(size)))


@pytest.fixture
def mocap(tmp_path):
    folder = tmp_path / "mocap"
    (folder / "deep").mkdir(parents=True)
    BVH.example_settings(folder)
    BVH.example_settings(folder / "deep")
    (folder / "deep" / "sway.bvh").rename(folder / "deep" / "walk.bvh")
    (folder / ".hidden").write_text("no data")
    return folder


@pytest.mark.parametrize("shards", [0, 100])
@pytest.mark.parametrize(
    "spec",
    [
        *("builtin:split=all,takes=1,frames=2", "builtin:cameras=random,noise=2,takes=1,frames=3,skeleton=h36m17"),
        *("bvh:path={mocap},split=all", "bvh:path={mocap},split=all,cameras=random"),
    ],
)
def test_a_converted_set_gives_the_poses_of_its_source(spec, shards, mocap, tmp_path):
    spec = spec.format(mocap=mocap)
    made = convert_data(spec, tmp_path / "out", shard_size=shards)
    source, again = opened(spec), opened(f"posefile:path={tmp_path / 'out'}")
    assert made.poses == len(source) == len(again)
    assert same(StoredPoses(whole(source)), StoredPoses(whole(again)))
    assert again.label_names == source.label_names
    assert made.bytes == sum(f.stat().st_size for f in (tmp_path / "out").rglob("*")) or not shards


def test_every_file_is_known_by_its_hash(mocap, tmp_path):
    made = convert_data(f"bvh:path={mocap},split=all", tmp_path / "out")
    about = PoseFile(tmp_path / "out").about
    assert made.inputs == 2
    assert [file.path for file in about.inputs] == ["mocap/deep/walk.bvh", "mocap/sway.bvh"]
    for file in about.inputs:
        content = (tmp_path / file.path).read_bytes()
        assert (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert about.made_by == f"bvh:path={mocap},split=all"
    assert about.made_with["poseplug-datasets"]
    again = convert_data(f"bvh:path={mocap},split=all", tmp_path / "again")
    assert (tmp_path / "out").read_bytes() == (tmp_path / "again").read_bytes()
    assert again.poses == made.poses


def test_files_of_the_reference_are_known_too(mocap, tmp_path):
    convert_data("fk_generator", tmp_path / "out", poses=3, reference=f"bvh:path={mocap},split=all")
    assert [file.path for file in PoseFile(tmp_path / "out").about.inputs] == ["mocap/deep/walk.bvh", "mocap/sway.bvh"]


def test_a_generator_is_drawn_from(tmp_path):
    def drawn(name, seed):
        assert convert_data("fk_generator", tmp_path / name, poses=5000, seed=seed).poses == 5000
        return StoredPoses(whole(opened(f"posefile:path={tmp_path / name}")))

    first = drawn("first", 3)
    assert same(first, drawn("again", 3))
    assert not torch.equal(first.poses.joints_3d, drawn("other", 4).poses.joints_3d)


class Crowd(PoseSource):
    """An endless source whose scenes are numbered from 0 in every sample."""

    skeleton = STAR

    def sample(self, n, generator):
        return attrs.evolve(star_batch(n, generator), scene=torch.arange(n) // 2)


class Liar(Crowd, FiniteSource):
    """Says that it has fewer poses than it gives."""

    def __len__(self):
        return 10

    def batches(self, size):
        yield self.sample(20, torch.Generator())


class Nobody(Liar):
    def __len__(self):
        return 0

    def batches(self, size):
        return iter(())


def test_scenes_of_different_draws_stay_apart(tmp_path):
    convert_data(Crowd(), tmp_path / "out", poses=10_000)
    scene = PoseFile(tmp_path / "out").rows(np.arange(10_000)).poses.scene
    assert torch.equal(scene, torch.arange(10_000) // 2)


def test_the_first_poses_are_taken(tmp_path):
    convert_data("builtin:takes=1,frames=2", tmp_path / "out", poses=77)
    first = whole(opened("builtin:takes=1,frames=2")).select(slice(0, 77))
    assert same(StoredPoses(whole(opened(f"posefile:path={tmp_path / 'out'}"))), StoredPoses(first))
    assert convert_data(Liar(), tmp_path / "lie").poses == 10


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("fk_generator", {}, "'fk_generator' has no end; say how many poses to write with --poses N"),
        ("builtni", {}, "no source 'builtni'. Did you mean 'builtin'"),
        ("builtin:splt=all", {}, "no setting 'splt'"),
        ("bvh:path=nowhere", {}, "nowhere"),
        (Nobody(), {}, "There are no poses to write to"),
        ("builtin", {"poses": -3}, "Numbers of poses must be at least 0; got -3"),
        ("builtin", {"shard_size": -1}, "Numbers of poses must be at least 0; got -1"),
    ],
)
def test_what_cannot_be_leaves_nothing(tmp_path, source, options, message):
    with pytest.raises(PoseplugError, match=message):
        convert_data(source, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_nothing_is_replaced(tmp_path, there):
    out = tmp_path / "out"
    {"file": lambda: out.write_text("thesis"), "folder": out.mkdir, "link": lambda: out.symlink_to("gone")}[there]()
    with pytest.raises(PoseplugError, match="is there already, and nothing is replaced"):
        convert_data("builtin:takes=1", out)
    assert list(tmp_path.iterdir()) == [out]


MEMORY = """
import resource, sys, torch
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import PoseSource
from poseplug.registry.api import convert_data

joints = torch.rand(4096, 16, 3) + 2

class Endless(PoseSource):
    skeleton = H36M_16
    def sample(self, n, generator):
        inside, outside = torch.rand(3, n, 2, generator=generator) + 500, torch.rand(n, 3, 3, generator=generator)
        return PoseBatch.seen(H36M_16, joints[:n], Camera(*inside, None, outside, outside[0].expand(n, 3, 3)[:, 0]))

for poses in map(int, sys.argv[1:]):
    convert_data(Endless(), f"poses-{poses}", poses=poses)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_set(tmp_path):
    """Every pose has a camera of its own, which is the most that there can be to remember."""
    command = [sys.executable, "-c", MEMORY, "24576", "188416"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    few, many = map(int, done.stdout.split())
    assert (tmp_path / "poses-188416").stat().st_size > 70_000_000
    assert many - few < 15_000, "kilobytes"
