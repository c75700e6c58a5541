"""The tables of Akhter and Black as limits: the rule, pose by pose and bone by bone, of made-up tables."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import scipy.io
import torch

from poseplug.core.anatomy.akhter_black import import_akhter_black
from poseplug.core.anatomy.limb_frames import limb_vectors, measure_limbs, place_limbs, poses_first, poses_last
from poseplug.core.anatomy.limbs import limbs_of
from poseplug.core.anatomy.sphere_grid import SphereGrid
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16

LIMBS = limbs_of(H36M_16)
# Joints of a bone, the number of its table, and for lower ones the column of "di"; upper bones come first.
BONES = {
    "LShoulder-LElbow": (2, None),
    "LElbow-LWrist": (3, 5),
    "RShoulder-RElbow": (0, None),
    "RElbow-RWrist": (1, 2),
    "LHip-LKnee": (8, None),
    "LKnee-LFoot": (9, 13),
    "RHip-RKnee": (5, None),
    "RKnee-RFoot": (6, 9),
    "Thorax-Head": (4, None),
}


def made_up() -> tuple[dict, dict]:
    """Return the arrays of the two files, of random planes and boxes."""
    rng = np.random.default_rng(0)

    def cells(make):
        found = np.empty((1, 10), object)
        for i in range(10):
            found[0, i] = make()
        return found

    def planes():
        values = rng.normal(size=(121, 61, 4)) * [1, 1, 1, 0.3]
        values[rng.random((121, 61)) < 0.2] = np.nan
        return values

    bounds = [-0.6, 0.8, -0.7, 0.9] + rng.normal(size=4) * 0.05
    model = {
        "angleSprd": cells(lambda: (rng.random((121, 61)) < 0.5).astype(np.uint8)),
        "sepPlane": cells(planes),
        "E2": cells(lambda: rng.normal(size=(121, 61, 3))),
        "bounds": cells(lambda: np.broadcast_to(bounds, (121, 61, 4)).copy()),
    }
    return model, {"a": rng.normal(size=(3, 1)) / 2, "di": rng.normal(size=(3, 16))}


def allowed(joints: np.ndarray, model: dict, pose: dict) -> dict[str, bool]:
    """The rule for one pose [16, 3], as the fact sheet has it: exchange y and z, bones backwards, one by one."""
    at = {name: joints[H36M_16.index(name)][[0, 2, 1]] for name in H36M_16.joints}

    def unit(x):
        return x / np.linalg.norm(x)

    def basis(*columns):
        found = []
        for column in columns:
            for other in found:
                column = column - other * (other @ column)
            found.append(unit(column))
        return np.stack(found, 1)

    def bins(x):
        theta, phi = np.degrees(math.atan2(x[1], x[0])), np.degrees(math.atan2(x[2], math.hypot(x[0], x[1])))
        return int(np.floor((theta + 180) / 3 + 1)) - 1, int(np.floor((phi + 90) / 3 + 1)) - 1

    down, found, above = at["Spine"] - at["Thorax"], {}, {}
    for name, (number, column) in BONES.items():
        start, end = name.split("-")
        girdle = "Hip" if {"Hip", "Knee"} & {start[1:]} else "Shoulder"
        right = at[f"R{girdle}"] - at[f"L{girdle}"]
        torso = basis(unit(right), unit(down), np.cross(unit(right), unit(down)))
        bone = unit(at[start] - at[end])
        if column is None:
            found[name] = bool(model["angleSprd"][0, number][bins(torso.T @ bone)])
            above[end] = bone
            continue
        u = above[start]
        across = unit(np.cross(torso @ pose["a"].reshape(3), u))
        local = basis(u, across, np.cross(u, across)).T @ bone
        row = bins(torso.T @ u)
        plane = model["sepPlane"][0, number][row]
        plane = plane / np.linalg.norm(plane)
        if np.isnan(plane).any() or plane @ np.append(local, 1) > 0:
            found[name] = False
            continue
        axes = basis(plane[:3], model["E2"][0, number][row], np.cross(plane[:3], model["E2"][0, number][row]))
        x, y = axes[:, 1:].T @ local
        low, high, near, far = model["bounds"][0, number][row]
        found[name] = bool(low <= x <= high and near <= y <= far)
    return found


def at_middles(n: int, upper: float, lower: float) -> torch.Tensor:
    """Return poses [N, 16, 3] whose bones point to middles of cells of so many degrees."""
    generator, held = torch.Generator().manual_seed(0), []
    for bone in LIMBS.bones:
        grid = SphereGrid.of_degrees(upper if bone.order == 1 else lower)
        held.append(grid.centres[:, torch.randint(grid.num_cells, (n,), generator=generator)])
    directions = torch.stack(held, 1)
    coordinates = poses_last(torch.randn(n, 16, 3, generator=generator, dtype=torch.float64))
    frames = measure_limbs(coordinates, LIMBS).frames
    vectors = limb_vectors(frames, directions, torch.ones_like(directions[0]), LIMBS)
    return poses_first(place_limbs(coordinates, vectors, LIMBS))


def write(folder, suffix, arrays):
    paths = []
    for name, held in zip(("jointAngleModel_v2", "staticPose"), arrays, strict=True):
        path = folder / f"{name}{suffix}"
        if suffix == ".mat":
            scipy.io.savemat(path, held)
        else:
            np.save(path, np.array(held, object))
        paths.append(path)
    return paths


@pytest.mark.parametrize("suffix", [".mat", ".npy"])
def test_imported_limits_are_the_rule(tmp_path, suffix):
    """Upper bones in the middle of their cells; lower bones, too, below the middles of cells that they depend on."""
    arrays = made_up()
    limits = import_akhter_black(write(tmp_path, suffix, arrays))
    assert {bone.name for bone in limits.bones} == {"head", "upper_arm", "forearm", "thigh", "shin"}
    for order, upper, lower in ((1, 3.0, 4.0), (2, 6.0, 4.0)):
        joints = at_middles(150, upper, lower)
        accepted = limits.accepts(joints, H36M_16)
        rules = [allowed(pose, *arrays) for pose in joints.numpy()]
        mirrored = joints[:, list(H36M_16.flip_index)] * torch.tensor([-1.0, 1, 1], dtype=torch.float64)
        others = [allowed(pose, *arrays) for pose in mirrored.numpy()]
        for b, bone in enumerate(LIMBS.bones):
            if bone.order == order:
                other = LIMBS.names[LIMBS.mirror[b]]
                # A bone may do what the table of either side allows; the head has one table, and no other side.
                expected = [
                    one[bone.name] or (bool(bone.side) and two[other]) for one, two in zip(rules, others, strict=True)
                ]
                # Middles at 45 degrees lie on borders of the tables, and rounding decides.
                assert (accepted[:, b].numpy() != expected).sum() <= 3, bone.name
                assert 0.05 < np.mean(expected) < 0.95


def test_lower_bones_alone(tmp_path):
    limits = import_akhter_black(write(tmp_path, ".npy", made_up()), lower_only=True)
    assert {bone.name for bone in limits.bones} == {"forearm", "shin"}
    joints = at_middles(100, 6.0, 4.0)
    accepted = limits.accepts(joints, H36M_16)
    assert accepted[:, [bone.order == 1 for bone in LIMBS.bones]].all()
    assert not accepted.all()


def test_other_files_are_refused(tmp_path):
    model, pose = write(tmp_path, ".npy", made_up())
    with pytest.raises(PoseplugError, match="no array 'a'; expected the two files"):
        import_akhter_black([model])
    with pytest.raises(PoseplugError, match="There is no file"):
        import_akhter_black([model, tmp_path / "none.npy"])
    arrays = made_up()
    np.save(pose, np.ones(3))
    with pytest.raises(PoseplugError, match="no dictionary"):
        import_akhter_black([model, pose])
    np.save(pose, np.array({**arrays[1], "a": np.ones(4)}, object))
    with pytest.raises(PoseplugError, match=r"'a' has shape \(4,\); expected numbers of shape \(3,\)"):
        import_akhter_black([model, pose])
    few = {name: cells[:, :3] for name, cells in arrays[0].items()}
    np.save(model, np.array(few, object))
    with pytest.raises(PoseplugError, match="has 3 tables; expected"):
        import_akhter_black([model, pose])
    scipy.io.savemat(tmp_path / "model.mat", few)
    with pytest.raises(PoseplugError, match="has 3 cells"):
        import_akhter_black([tmp_path / "model.mat", pose])


class Hostile:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


def test_nothing_that_a_file_says_is_run(tmp_path):
    mark, path = tmp_path / "was here", tmp_path / "jointAngleModel_v2.npy"
    np.save(path, np.array({"angleSprd": Hostile(mark)}, object))
    with pytest.raises(PoseplugError, match="nothing of it was run"):
        import_akhter_black([path])
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(PoseplugError, match="damaged"):
        import_akhter_black([path])
    assert not mark.exists()
