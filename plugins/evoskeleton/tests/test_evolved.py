"""The source ``evolved``: how it grows, who lives, what it repeats, and what a folder of it holds."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from itertools import accumulate
from pathlib import Path

import attrs
import pytest
import torch
from evolving import SUBJECTS, everyone, evolved, people

from poseplug.core.anatomy.joint_limits import JointLimits
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.data.pose_batch import Origin, PoseBatch
from poseplug.core.data.pose_file_reader import PoseFile
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.kinematics import bone_lengths
from poseplug.core.geometry.layouts import H36M_16, LAYOUTS
from poseplug.core.interfaces import BuildContext
from poseplug.core.progress import listening
from poseplug.core.sources.pose_table import PoseTable
from poseplug_evoskeleton.evolution.evolved import Evolved, EvolvedSettings
from poseplug_evoskeleton.evolution.population import draw_pairs

FREE = {"selection": "none", "bodies": "none"}


def same(one: PoseBatch, other: PoseBatch) -> bool:
    pairs = [(one.absolute, other.absolute), (one.joints_2d, other.joints_2d), (one.origin, other.origin)]
    pairs += [(one.labels["subject"], other.labels["subject"]), (one.camera.position, other.camera.position)]
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_everybody_lives_where_nothing_is_forbidden(share):
    expected = [150]
    for _ in range(4):
        expected.append(expected[-1] + 2 * max(1, math.floor(share * expected[-1])))
    assert len(evolved(people(150), generations=4, couples=share, **FREE)) == expected[-1]


def test_a_generation_grows_by_a_tenth_at_most_and_ends_at_the_wanted_size(tmp_path):
    assert len(evolved(times=2.5)) == 300
    assert len(evolved(poses=137)) == 137
    assert len(evolved(times=3, folder=str(tmp_path))) == 360
    sizes = [len(PoseFile(path)) for path in sorted(tmp_path.glob("part-*"))]  # one of each generation
    assert sum(sizes) == 360
    for before, size in zip(accumulate(sizes), sizes[1:], strict=False):
        assert 0 < size <= 2 * math.floor(0.05 * before)


def test_nobody_has_two_partners():
    pairs = draw_pairs(1000, 0.5, torch.Generator().manual_seed(0))
    assert pairs.shape == (2, 500)
    assert len(pairs.unique()) == 1000


def test_every_child_is_within_the_limits():
    batch = everyone(evolved(people(400, scatter=0.4), times=3, bodies="none"))
    children = batch.absolute[400:]
    limits, limbs = JointLimits.default(), limbs_of(H36M_16)
    valid = limits.accepts(children, H36M_16)
    # On the edge of a cell, rounding decides anew.
    assert valid.double().mean() > 0.999
    unchecked = everyone(evolved(people(400, scatter=0.4), times=3, bodies="none", selection="none"))
    assert limits.accepts(unchecked.absolute[400:], H36M_16).all(1).double().mean() < 0.9
    lower = [i for i, bone in enumerate(limbs.bones) if bone.order > 1]
    some = everyone(evolved(people(400, scatter=0.4), times=3, bodies="none", selection="lower"))
    valid = limits.accepts(some.absolute[400:], H36M_16)
    assert valid[:, lower].double().mean() > 0.999
    assert valid.all(1).double().mean() < 0.99


def test_captured_poses_come_first_and_as_they_were():
    reference = people()
    batch = everyone(evolved(reference, bodies="none"))
    n = len(reference)
    assert torch.equal(batch.absolute[:n], reference.poses.absolute)
    assert torch.equal(batch.joints_2d[:n], reference.poses.joints_2d)
    assert torch.equal(batch.labels["subject"][:n], reference.poses.labels["subject"])
    assert (batch.origin[:n] == Origin.CAPTURED).all()
    assert (batch.origin[n:] == Origin.GENERATED).all()
    assert torch.equal(batch.camera.project(batch.absolute), batch.joints_2d)


def test_children_stand_on_the_floor_of_the_room_in_which_their_torso_was_captured():
    reference = people(300)
    batch = everyone(evolved(reference, times=4, **FREE))
    world = batch.camera.camera_to_world(batch.absolute)
    lowest = world[300:, :, 1].amin(1)
    assert abs(float(lowest.mean()) - 0.02) < 3e-4
    assert abs(float(lowest.std()) - 0.003) < 3e-4
    # Seen by that camera, at that place on the floor.
    places = reference.poses.camera.camera_to_world(reference.poses.absolute)[:, 0, [0, 2]]
    assert torch.cdist(world[300:, 0, [0, 2]], places).amin(1).max() < 1e-3


def test_limbs_have_the_lengths_of_somebody():
    reference = people(200)
    batch = everyone(evolved(reference, times=3, **FREE))
    limbs = limbs_of(H36M_16)
    ends = {child: i for i, (_, child) in enumerate(H36M_16.bones)}
    bones = [ends[bone.end] for bone in limbs.bones]
    lengths = bone_lengths(batch.absolute, H36M_16)[:, bones]
    known = bone_lengths(reference.poses.absolute[:SUBJECTS], H36M_16)[:, bones]
    assert (lengths[:, None] - known).abs().amax(2).amin(1).max() < 1e-5


def test_bodies_of_other_sizes():
    reference = people(300)
    heights = [
        bone_lengths(everyone(evolved(reference, bodies=bodies, size=(0.5, 0.6))).absolute, H36M_16).sum(1)
        for bodies in ("none", "end", "both")
    ]
    small = [float((h < 0.75 * heights[0].min()).double().mean()) for h in heights]
    assert small[0] == 0
    assert abs(small[1] - 0.5) < 0.06
    assert small[2] > small[1] + 0.05


def test_equal_seeds_give_equal_poses_and_others_others():
    one, again, other = everyone(evolved()), everyone(evolved()), everyone(evolved(seed=1))
    assert same(one, again)
    assert not torch.equal(one.absolute, other.absolute)


def test_threads_do_not_matter():
    reference = people(6000)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = everyone(evolved(reference, couples=0.5, generations=1))
        torch.set_num_threads(3)
        three = everyone(evolved(reference, couples=0.5, generations=1))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert same(one, three)


@pytest.mark.parametrize("name", ["h36m17", "smpl24", "3dhp28"])
def test_any_skeleton_with_limbs_evolves(name):
    source = evolved(people(100, LAYOUTS[name]), selection="none", subtrees="any")
    assert everyone(source).absolute.isfinite().all()
    assert len(source) == 250


def test_a_reference_without_an_end_is_sampled():
    class Endless:
        skeleton, has_3d, label_names = H36M_16, True, {}

        def sample(self, n, generator):
            return people(200).sample(min(n, 300), generator)

    assert len(evolved(Endless(), times=2)) == 600


def test_what_cannot_evolve_is_refused():
    with pytest.raises(PoseplugError, match="one reference pose alone"):
        evolved(people(1))
    with pytest.raises(PoseplugError, match="poses=50 is less than the reference has"):
        evolved(poses=50)
    with pytest.raises(ValueError, match="give one of them"):
        evolved(poses=500, generations=2)
    poses = people(120).poses
    with pytest.raises(PoseplugError, match="2D only"):
        evolved(PoseTable(attrs.evolve(poses, joints_3d=None)))
    # Mirrored people bend their knees forwards.
    mirrored = attrs.evolve(poses, joints_3d=torch.randn(120, 16, 3) + torch.tensor([0, 0, 9.0]))
    with pytest.raises(PoseplugError, match="stands still at 120 poses"):
        evolved(PoseTable(mirrored, {"subject": ("Ann", "Ben", "Cid")}))


def test_a_model_chooses_the_children_that_it_finds_hardest(tmp_path):
    def flat(batch):
        """Lift poses without depth, so that the error is the mean absolute depth about the root."""
        return batch.root_relative * torch.tensor([1.0, 1.0, 0.0])

    context = BuildContext(reference=people(), open_model=lambda said: flat)
    config = {"bodies": "none", "selection": "none", "couples": 0.5, "generations": 1}
    chosen = everyone(Evolved(EvolvedSettings(**config, model="flat"), context))
    everybody = everyone(evolved(**config))
    assert len(chosen) == 120 + 60
    errors = everybody.root_relative[120:, :, 2].abs().mean(1)
    kept = errors.argsort(descending=True)[:60].sort().values
    assert torch.equal(chosen.absolute[120:], everybody.absolute[120 + kept])
    evolved(folder=str(tmp_path), **config)
    with pytest.raises(PoseplugError, match="another evolution: model"):
        Evolved(EvolvedSettings(**config, model="flat", folder=str(tmp_path)), context)
    with pytest.raises(PoseplugError, match="only be named within a run"):
        evolved(model="flat")


# ---------------------------------------------------------------- folders


def test_a_folder_holds_the_same_poses(tmp_path):
    fresh = evolved()
    written, read = (evolved(folder=str(tmp_path / "poses")) for _ in range(2))
    for source in (written, read):
        assert same(everyone(source), everyone(fresh))
        draws = [s.sample(50, torch.Generator().manual_seed(3)) for s in (source, fresh)]
        assert same(*draws)
        assert source.diagnostics() == fresh.diagnostics()
    assert 0 < fresh.diagnostics()["fit"] < 1
    file = PoseFile(tmp_path / "poses")
    assert file.about.skeleton == H36M_16
    assert file.about.label_names == {"subject": ("Ann", "Ben", "Cid")}


def test_a_folder_is_not_made_twice(tmp_path, monkeypatch):
    evolved(folder=str(tmp_path))
    monkeypatch.setattr("poseplug_evoskeleton.evolution.evolved.Evolved._evolve", None)
    assert len(evolved(folder=str(tmp_path))) == 300


def test_a_folder_of_another_evolution_is_refused(tmp_path):
    folder = str(tmp_path)
    evolved(folder=folder)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(PoseplugError, match=r"mutation_std=10.0 there, mutation_std=12 here"):
        evolved(folder=folder, mutation_std=12)
    with pytest.raises(PoseplugError, match="seed=0 there, seed=1 here"):
        evolved(folder=folder, seed=1)
    with pytest.raises(PoseplugError, match="another evolution: reference"):
        evolved(people(121), folder=folder)
    limits = JointLimits.default()
    JointLimits({**limits.tables, "head": torch.ones_like(limits.tables["head"])}).save(
        tmp_path.parent / "l.safetensors"
    )
    with pytest.raises(PoseplugError, match="another evolution: joint limits"):
        evolved(folder=folder, limits=str(tmp_path.parent / "l.safetensors"))
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_damaged_folders_are_named(tmp_path):
    folder = tmp_path / "poses"
    evolved(folder=str(folder))
    shards = sorted(folder.glob("part-*"))
    shards[-1].unlink()
    with pytest.raises(PoseplugError, match=r"expected 300\. Files were taken away"):
        evolved(folder=str(folder))
    (folder / "evolution.json").write_text("[]")
    with pytest.raises(PoseplugError, match="Cannot read"):
        evolved(folder=str(folder))
    (folder / "evolution.json").unlink()
    with pytest.raises(PoseplugError, match="posefiles that are not of an evolution"):
        evolved(folder=str(folder))


def test_a_kill_at_any_moment_changes_nothing(tmp_path):
    """Kill a process whenever a further file is there; then let it end, and compare."""
    folder = tmp_path / "killed"
    here = Path(__file__).parent
    code = f"import sys; sys.path.insert(0, {str(here)!r})\n"
    code += "from evolving import evolved, people\n"
    code += f"evolved(people(3000), couples=0.01, generations=40, folder={str(folder)!r})"

    def shards() -> int:
        return len(list(folder.glob("part-*"))) if folder.is_dir() else 0

    kills = 0
    for least in (1, 4, 9):
        process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": ":".join(sys.path)})
        while shards() < least and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 2
    assert "poses" not in json.loads((folder / "evolution.json").read_text())
    found = {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*")}
    settings = {"couples": 0.01, "generations": 40}
    resumed = evolved(people(3000), **settings, folder=str(folder))
    assert same(everyone(resumed), everyone(evolved(people(3000), **settings)))
    assert all((folder / name).stat().st_mtime_ns == changed for name, changed in found.items())
    assert not list(folder.glob(".*"))


def test_it_says_how_far_it_is():
    told = []
    with listening(lambda what, done, total: told.append((what, done, total))):
        evolved(times=1.5)
    assert {(what, total) for what, _, total in told} == {("poses evolved", 180)}
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1] == 180
