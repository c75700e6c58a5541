import h5py
import numpy as np
import pytest
import torch
from published import (
    FOCAL,
    pinhole,
    write_3dhp_poseaug,
    write_3dhp_test,
    write_3dhp_train,
)

from poseplug.core.data.normalise import screen_coordinates
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17, LAYOUTS
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.mpi_inf_3dhp import MPIINF3DHP, MPIINF3DHPSettings

# To H36M's 17, from the test set's 17 and from the training set's 28.
OF_17 = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
OF_28 = [4, 23, 24, 25, 18, 19, 20, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16]
WITHOUT_9 = [i for i in range(17) if i != 9]


def source(path, skeleton="h36m17", **settings):
    return MPIINF3DHP(MPIINF3DHPSettings(path=str(path), skeleton=skeleton, **settings), BuildContext())


def everything(found):
    return PoseBatch.join(list(found.batches(50)))


@pytest.mark.parametrize("compress", [True, False])
def test_train(tmp_path, compress):
    written = write_3dhp_train(tmp_path, compress=compress)
    found = source(tmp_path)
    batch = everything(found)
    assert len(found) == 3 * 8 * 5
    assert found.label_names == {"action": ("S1 Seq1", "S1 Seq2", "S7 Seq1"), "subject": ("S1", "S7")}
    poses = np.concatenate([written[key][[0, 1, 2, 4, 5, 6, 7, 8]][:, :, OF_28].reshape(-1, 17, 3) for key in written])
    assert np.abs(batch.joints_3d.numpy() - poses / 1000).max() < 1e-6
    cameras = np.tile(np.repeat([0, 1, 2, 4, 5, 6, 7, 8], 5), 3)
    assert batch.camera.focal[:, 0].tolist() == (FOCAL[0] + cameras).tolist()
    assert batch.camera.size.unique().tolist() == [2048]
    assert found.measured_2d
    assert float((batch.joints_2d - batch.camera.project(batch.joints_3d)).abs().max()) < 0.01
    assert torch.equal(batch.labels["subject"], torch.tensor([0] * 80 + [1] * 40))
    assert torch.equal(batch.labels["action"], torch.arange(3).repeat_interleave(40))


def test_train_settings(tmp_path):
    written = write_3dhp_train(tmp_path)
    pose = written["S1", "Seq1"][13, :, OF_28].swapaxes(0, 1) / 1000
    chosen = everything(source(tmp_path, cameras=(13, 3), stride=2))
    assert len(chosen) == 3 * 2 * 3
    assert np.abs(chosen.joints_3d[:3].numpy() - pose[::2]).max() < 1e-6
    universal = everything(source(tmp_path, cameras=(13,), annotation="univ_annot3", joints_2d="projected"))
    assert np.abs(universal.joints_3d[:5].numpy() - pose * 1.1).max() < 1e-6
    assert not source(tmp_path, joints_2d="projected").measured_2d
    for bad in ((14,), (-1,), (0, 0), ()):
        with pytest.raises(ValueError, match="must"):
            MPIINF3DHPSettings(path="x", cameras=bad)


@pytest.mark.parametrize("annotation", ["annot3", "univ_annot3"])
def test_the_test_set(tmp_path, annotation):
    written = write_3dhp_test(tmp_path)
    found = source(tmp_path, annotation=annotation)
    batch = everything(found)
    scale = 1 if annotation == "annot3" else 0.9
    poses = np.concatenate([pose[valid][:, OF_17] for pose, valid in written.values()])
    assert np.abs(batch.joints_3d.numpy() - poses * scale / 1000).max() < 1e-6
    assert torch.allclose(batch.camera.focal, torch.tensor(FOCAL), atol=1e-3)
    assert batch.camera.centre[0].tolist() == pytest.approx([1020, 1040], abs=0.01)
    assert batch.camera.size[0].tolist() == [2048, 2048]
    assert batch.camera.size[-1].tolist() == [1920, 1080]
    assert np.abs(batch.joints_2d[:5].numpy() - pinhole(poses[:5])).max() < 0.01
    # univ_annot3 is written here as a multiple of annot3, which looks the same.
    assert float((batch.joints_2d - batch.camera.project(batch.joints_3d)).abs().max()) < 0.01
    assert found.label_names == {
        "action": ("activity 1", "activity 2", "activity 3"),
        "subject": ("TS1", "TS5"),
    }
    assert batch.labels["action"][:5].tolist() == [0, 0, 1, 1, 2]
    assert len(source(tmp_path, stride=2)) == 6


def test_neck_is_thorax_and_the_top_of_the_head_is_head(tmp_path):
    """PoseAug's 16 joints are the 17 without the tenth."""
    write_3dhp_test(tmp_path)
    sixteen, seventeen = (everything(source(tmp_path, name)) for name in ("h36m16", "h36m17"))
    assert torch.equal(sixteen.joints_3d, seventeen.joints_3d[:, WITHOUT_9])
    assert torch.equal(sixteen.joints_2d, seventeen.joints_2d[:, WITHOUT_9])
    assert [H36M_17.joints[i] for i in WITHOUT_9] == list(H36M_16.joints)
    assert LAYOUTS["3dhp17"].joints[1] == "Neck"


def test_poseaugs_file(tmp_path):
    path = tmp_path / "test_3dhp.npz"
    absolute, image = write_3dhp_poseaug(path)
    found = source(path, "auto")
    batch = everything(found)
    assert np.abs(batch.root_relative.numpy() - (absolute - absolute[:, :1])).max() < 1e-6
    # What a lifter reads of it is the file's, and roots are where the image says.
    assert np.abs(screen_coordinates(batch.joints_2d, batch.camera.size).numpy() - image).max() < 1e-5
    assert np.abs(batch.joints_3d.numpy() - absolute).max() < 1e-4
    assert float((batch.joints_2d - batch.camera.project(batch.joints_3d)).abs().max()) < 0.01
    assert len(source(path, "h36m16", stride=4, split="test")) == 2
    with pytest.raises(PoseplugError, match="16 joints; load it with skeleton=h36m16"):
        source(path)
    with pytest.raises(PoseplugError, match="leave out split=, annotation= and joints_2d="):
        source(path, "auto", annotation="univ_annot3")


def test_a_folder_with_both(tmp_path):
    write_3dhp_train(tmp_path)
    write_3dhp_test(tmp_path)
    with pytest.raises(PoseplugError, match="both training and test set; say which with split="):
        source(tmp_path)
    assert len(source(tmp_path, split="train")) == 120
    assert len(source(tmp_path, split="test")) == 10


def test_who_lacks_the_data_is_told_where_it_is_to_be_had(tmp_path):
    with pytest.raises(PoseplugError, match=r"no '.*annot.mat or TS\*/annot_data.mat'.*vcai.mpi-inf.*holds S1, S2"):
        source(tmp_path)
    with pytest.raises(PoseplugError, match=r"no '.*test_3dhp.npz'.*PoseAug's DATASETS.md"):
        source(tmp_path / "test_3dhp.npz")
    write_3dhp_train(tmp_path)
    with pytest.raises(PoseplugError, match=r"no '.*TS\*/annot_data.mat'"):
        source(tmp_path, split="test")
    (tmp_path / "S1/Seq1/camera.calibration").unlink()
    with pytest.raises(PoseplugError, match=r"no '.*camera.calibration'.*belongs beside annot.mat"):
        source(tmp_path)


def edit(tmp_path, name, values):
    write_3dhp_test(tmp_path)
    with h5py.File(tmp_path / "TS1" / "annot_data.mat", "a") as file:
        del file[name]
        if values is not None:
            file[name] = values


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("annot2", None, "holds no array 'annot2'; it has activity_annotation, annot3, bb_crop"),
        ("annot3", np.full((7, 1, 17, 3), np.nan), "annot3, holds nan in frame 0; expected numbers"),
        ("annot3", np.ones((7, 17, 3)), "annot3, is an array of 7 x 17 x 3; expected 7 x 1 x 17 x 3"),
        ("annot3", np.ones((7, 1, 17, 3)), "annot2 is not the image of annot3"),
        ("annot2", np.zeros((7, 1, 17, 2)), "annot2 is not the image of annot3"),
        ("valid_frame", np.zeros((1, 7)), "has no valid frame"),
        ("valid_frame", np.ones((1, 6)), "annot3, is an array of 7 x 1 x 17 x 3; expected 6 x 1 x 17 x 3"),
        ("annot3", np.full((7, 1, 17, 3), b"x"), "annot3, is no array of numbers"),
        ("annot3", h5py.ExternalLink("/etc/passwd", "/x"), "annot3, is a link to elsewhere; it was not followed"),
        ("annot3", h5py.SoftLink("/annot2"), "annot3, is a link to elsewhere; it was not followed"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, name, values, message):
    edit(tmp_path, name, values)
    with pytest.raises(PoseplugError, match=message) as caught:
        source(tmp_path)
    assert "annot_data.mat" in str(caught.value)


def test_nan_in_frames_that_are_not_valid_is_nobodys_business(tmp_path):
    written = write_3dhp_test(tmp_path, names=("TS1",))
    with h5py.File(tmp_path / "TS1" / "annot_data.mat", "a") as file:
        file["annot3"][1] = np.nan
    assert len(source(tmp_path)) == int(written["TS1"][1].sum())


def test_sizes_are_not_believed(tmp_path):
    """Chunks that were never written take no room in the file; reading them would fill 2 TB."""
    write_3dhp_test(tmp_path)
    with h5py.File(tmp_path / "TS1" / "annot_data.mat", "a") as file:
        del file["annot3"]
        file.create_dataset("annot3", (2**33, 1, 17, 3), "f8", chunks=(1, 1, 17, 3), compression="gzip")
    with pytest.raises(PoseplugError, match="annot3, announces .* far more than its file can hold"):
        source(tmp_path)


def test_numbers_in_other_files_are_not_read(tmp_path):
    write_3dhp_test(tmp_path)
    with h5py.File(tmp_path / "TS1" / "annot_data.mat", "a") as file:
        del file["annot3"]
        file.create_dataset("annot3", (7, 1, 17, 3), "f8", external=[("/etc/passwd", 0, 7 * 17 * 3 * 8)])
    with pytest.raises(PoseplugError, match="annot3, is stored outside its file"):
        source(tmp_path)
