"""HRNet: its size, its names, its losses, weights of others."""

import re

import pytest
import torch
from torch import nn

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, LAYOUTS
from poseplug.core.interfaces import BuildContext
from poseplug.registry.conformance import conformance_tests
from poseplug_evoskeleton.high_resolution import HighResolutionNet
from poseplug_evoskeleton.hrnet import AppearanceNet, HRNet, HRNetConfig

COCO = LAYOUTS["coco17"]
SMALL = {"width": 2, "crop": (64, 32)}

test_promises_without_super_resolution = conformance_tests("detector", HRNet, {"super_resolution": False, **SMALL})


def hrnet(skeleton=COCO, **settings):
    torch.manual_seed(0)
    return HRNet(HRNetConfig(**{**SMALL, **settings}), BuildContext(skeleton=skeleton))


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("width", "millions"), [(48, 63.6), (32, 28.5)])
def test_it_has_as_many_parameters_as_the_papers_say(width, millions):
    """HRNet's Table 1 (CVPR 2019) and EvoSkeleton's: 28.5M and 63.6M; super-resolution is 17 -> 272 with bias, BN."""
    with torch.device("meta"):
        plain = HighResolutionNet(width, 17)
        whole = AppearanceNet(width, 17, super_resolution=True)
    assert round(count(plain) / 1e6, 1) == millions
    assert count(whole) - count(plain) == 17 * 272 + 272 + 2 * 272


def test_its_tensors_have_the_names_of_the_release():
    names = set(HighResolutionNet(2, 17).state_dict())
    for name in (
        *("conv1.weight", "bn1.running_mean", "conv2.weight", "bn2.bias"),
        *("layer1.0.conv3.weight", "layer1.0.downsample.0.weight", "layer1.0.downsample.1.bias", "layer1.3.bn3.weight"),
        *("transition1.0.0.weight", "transition1.0.1.weight", "transition1.1.0.0.weight", "transition3.3.0.1.bias"),
        *("stage2.0.branches.1.3.conv2.weight", "stage3.3.branches.2.0.bn1.weight", "stage4.2.branches.3.3.bn2.bias"),
        *("stage2.0.fuse_layers.0.1.0.weight", "stage2.0.fuse_layers.1.0.0.0.weight"),
        *("stage4.1.fuse_layers.3.0.2.1.weight", "stage4.2.fuse_layers.0.3.1.weight", "final_layer.bias"),
    ):
        assert name in names, name
    counts = {
        stage: len({n.split(".")[1] for n in names if n.startswith(stage)})
        for stage in ("layer1", "stage2", "stage3", "stage4")
    }
    assert counts == {"layer1": 4, "stage2": 1, "stage3": 4, "stage4": 3}
    assert not [name for name in names if re.match(r"transition[23]\.[01]\.|stage4\.2\.fuse_layers\.[123]", name)]


def test_maps_have_the_shapes_that_the_sheet_says():
    images = torch.rand(1, 3, 384, 288)
    with torch.inference_mode():
        assert hrnet(crop=(384, 288)).maps(images).shape == (1, 17, 384, 288)
        assert hrnet(crop=(384, 288), super_resolution=False).maps(images).shape == (1, 17, 96, 72)


def test_the_pixel_shuffle_lays_sixteen_maps_out_cell_by_cell():
    net = AppearanceNet(2, 3, super_resolution=True).eval()
    shuffle = net.super_resolution[-1]
    cells = torch.arange(2 * 3 * 16.0).view(1, 48, 1, 2)
    out = shuffle(cells)
    for joint in range(3):
        for row in range(4):
            for column in range(8):
                channel = joint * 16 + row * 4 + column % 4
                assert out[0, joint, row, column] == cells[0, channel, 0, column // 4]


def test_the_heat_map_loss_is_half_the_mean_square_of_visible_joints():
    detector, visible = hrnet(), torch.ones(2, 17)
    visible[:, 5:] = 0
    images, joints = torch.rand(2, 3, 64, 32), torch.full((2, 17, 2), 16.0)
    wrong = torch.zeros(2, 17, 64, 32)
    detector.maps = lambda _: wrong
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(32.0), indexing="ij")
    off = torch.stack([x - 16, y - 16])
    wanted = torch.exp(-off.square().sum(0) / 128) * (off.abs() <= 24).all(0)
    assert detector.loss(images, joints, visible)["heatmaps"].item() == pytest.approx(
        0.5 * wanted.square().mean().item()
    )
    wrong[:, 5:] = 7.0
    assert detector.loss(images, joints, visible)["heatmaps"].item() == pytest.approx(
        0.5 * wanted.square().mean().item()
    )


def test_the_coordinate_loss_is_smooth_l1_of_shares_of_the_crop():
    detector = hrnet()
    detector.begin_stage("coordinates")
    detector.maps = lambda _: torch.zeros(2, 17, 64, 32)  # its joints are in the middle
    middle = torch.tensor([15.5, 31.5])
    joints = (middle + torch.tensor([8.0, -16.0])).expand(2, 17, 2)
    loss = detector.loss(torch.rand(2, 3, 64, 32), joints, torch.ones(2, 17))
    assert {name: value.item() for name, value in loss.items()} == {"coordinates": pytest.approx(0.5 * 0.25**2)}


def test_stages_have_the_shares_that_were_asked_for():
    assert [(stage.name, stage.share) for stage in hrnet(coordinate_share=0.25).stages] == [
        ("heatmaps", 0.75),
        ("coordinates", 0.25),
    ]
    assert [stage.name for stage in hrnet(coordinate_share=0.0).stages] == ["heatmaps"]
    only = hrnet(coordinate_share=1.0)
    assert [stage.name for stage in only.stages] == ["coordinates"]
    assert list(only.loss(torch.rand(1, 3, 64, 32), torch.ones(1, 17, 2), torch.ones(1, 17))) == ["coordinates"]


@pytest.mark.parametrize(("resolved", "stride"), [(True, 1), (False, 4)])
@pytest.mark.parametrize("decode", ["soft", "argmax"])
def test_joints_are_where_maps_have_their_peaks(resolved, stride, decode):
    detector = hrnet(super_resolution=resolved, decode=decode, temperature=0.001)
    maps = torch.zeros(1, 17, 64 // stride, 32 // stride)
    maps[:, :, 8 // stride, 20 // stride] = 0.8
    detector.maps = lambda _: maps
    joints, confidence = detector(torch.rand(1, 3, 64, 32))
    torch.testing.assert_close(joints, torch.tensor([20.0, 8.0]).expand(1, 17, 2))
    torch.testing.assert_close(confidence, torch.full((1, 17), 0.8))


def released(joints=17, width=2):
    """Weights as the release has them; of the last stage's other resolutions, ImageNet's have sums as well."""
    torch.manual_seed(7)
    net = HighResolutionNet(width, joints)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_()
    return net.state_dict()


def test_weights_of_the_release_give_its_maps(tmp_path):
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in released().items()}}, tmp_path / "w.pth")
    detector = hrnet(super_resolution=False, weights=str(tmp_path / "w.pth")).eval()
    assert (detector.untrained, detector.notes) == ("", ())
    net = HighResolutionNet(2, 17).eval()
    net.load_state_dict(released())
    images = torch.rand(2, 3, 64, 32)
    normalised = (images - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    torch.testing.assert_close(detector.maps(images), net(normalised), rtol=1e-4, atol=1e-5)


def test_heads_of_other_joints_begin_anew_and_say_so(tmp_path):
    torch.save({**released(), "classifier.weight": torch.ones(3)}, tmp_path / "w.pth")
    detector = hrnet(H36M_16, weights=str(tmp_path / "w.pth"))
    assert detector.notes[0].startswith("begun anew")
    assert detector.notes[0].endswith("for 16 joints: final_layer, super_resolution")
    assert detector.notes[1].endswith("final_layer.weight, final_layer.bias, classifier.weight")
    assert "train it further" in detector.untrained
    assert torch.equal(detector.net.conv1.weight, released()["conv1.weight"])
    alone = hrnet(weights=str(tmp_path / "w.pth"))
    assert alone.notes[0].endswith("for 17 joints: super_resolution")
    assert "or say super_resolution=false" in alone.untrained


def test_weights_of_another_width_are_refused(tmp_path):
    torch.save(released(width=4), tmp_path / "w.pth")
    with pytest.raises(
        PoseplugError, match=r"do not fit: transition1.0.0.weight is \[4, 256, 3, 3\] instead of \[2, 256"
    ):
        hrnet(weights=str(tmp_path / "w.pth"))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_on_cuda_it_finds_what_it_finds_on_the_cpu():
    images = torch.rand(2, 3, 384, 288, generator=torch.Generator().manual_seed(0))
    on_cpu = hrnet(width=48, crop=(384, 288))
    on_cuda = HRNet(on_cpu.config, BuildContext(skeleton=COCO, device=torch.device("cuda")))
    on_cuda.load_state_dict(on_cpu.state_dict())
    found = on_cuda.find(images.cuda())
    for there, here in zip(found, on_cpu.find(images), strict=True):
        torch.testing.assert_close(there.cpu(), here, rtol=0, atol=0.05)


def test_fewer_modules_make_a_shallower_network_of_the_same_maps():
    few = HighResolutionNet(4, 3, (1, 1, 1)).eval()
    assert [len(stage) for stage in (few.stage2, few.stage3, few.stage4)] == [1, 1, 1]
    assert few(torch.zeros(1, 3, 64, 96)).shape == (1, 3, 16, 24)
    for wrong in ((1, 4), (1, 0, 1)):
        with pytest.raises(ValueError, match="three numbers of at least 1"):
            HRNetConfig(modules=wrong)
