"""The backbone: names of its tensors, its losses worked out by hand, mirroring, and that it learns."""

import attrs
import pytest
import torch
from canvases import SKELETON, cameras, people, scenes_of
from torch import nn

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import BuildContext
from poseplug.registry.conformance import conformance_tests
from poseplug_virtualpose.agr.decoding import decode
from poseplug_virtualpose.backbone.backbone import Backbone, BackboneSettings
from poseplug_virtualpose.backbone.figures import draw_scenes
from poseplug_virtualpose.backbone.losses import box_loss, heatmap_loss, targets_of
from poseplug_virtualpose.backbone.pose_resnet import PoseResNet
from poseplug_virtualpose.backbone.resnet import ResNet
from poseplug_virtualpose.maps import Maps, cells_of

test_backbone_keeps_its_promises = conformance_tests("input", Backbone)
SMALL = {"depth": 18, "height": 16, "width": 32, "deconv_channels": 8}


def backbone(seed=0, **settings):
    torch.manual_seed(seed)
    return Backbone(BackboneSettings(**{**SMALL, **settings}), BuildContext(skeleton=SKELETON))


def pictured(pixels, scene, scenes, canvas=(64, 128), seed=0):
    batch = scenes_of(pixels, scene, scenes, camera=cameras(scenes, size=(1280.0, 640.0)))
    image = draw_scenes(batch, *canvas, torch.Generator().manual_seed(seed))
    return attrs.evolve(batch, scenes=attrs.evolve(batch.scenes, image=image))


def crowd(n=4, seed=0):
    return pictured(people(n, torch.Generator().manual_seed(seed), size=(1280.0, 640.0)), [0, 0, 1, 1][:n], 3)


def found_in(part, batch):
    return part.provide(batch, scenes=batch.places)


# Parameters without the classifier: 11,689,512, 25,557,032 and 60,192,808 (torchvision's documentation of its weights)
# less 1000 classes of 512 or 2048 features with their biases.
@pytest.mark.parametrize(
    ("depth", "parameters", "classifier"),
    [(18, 11_689_512, 512), (50, 25_557_032, 2048), (152, 60_192_808, 2048)],
)
def test_residual_networks_have_the_published_sizes(depth, parameters, classifier):
    with torch.device("meta"):
        network = ResNet(depth)
    assert sum(p.numel() for p in network.parameters()) == parameters - 1000 * (classifier + 1)
    assert network.features == classifier


def test_tensors_have_the_names_of_published_checkpoints():
    with torch.device("meta"):
        shallow, deep = PoseResNet(18, 17).state_dict(), PoseResNet(152, 17).state_dict()
    assert shallow["conv1.weight"].shape == (64, 3, 7, 7)
    assert shallow["layer2.0.downsample.1.running_mean"].shape == (128,)
    assert "layer1.0.downsample.0.weight" not in shallow
    assert deep["layer1.0.downsample.0.weight"].shape == (256, 64, 1, 1)
    assert deep["layer3.35.conv3.weight"].shape == (1024, 256, 1, 1)
    assert deep["deconv_layers.0.weight"].shape == (2048, 256, 4, 4)
    assert deep["deconv_layers.7.running_var"].shape == (256,)
    assert deep["final_layer.weight"].shape == (17, 256, 1, 1)
    assert deep["bbox.0.weight"].shape == (256, 256, 3, 3)


def test_features_are_those_of_the_layers_one_after_the_other():
    """A plain rendering of the paper's Table 1 for 18 layers, from the same tensors."""
    torch.manual_seed(0)
    network = ResNet(18).eval()
    tensors = network.state_dict()
    image = torch.randn(2, 3, 64, 96)

    def normed(x, name):
        mean, var, weight, bias = (tensors[f"{name}.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
        return nn.functional.batch_norm(x, mean, var, weight, bias)

    x = nn.functional.conv2d(image, tensors["conv1.weight"], stride=2, padding=3)
    x = nn.functional.max_pool2d(normed(x, "bn1").relu(), 3, 2, 1)
    for stage in range(1, 5):
        for block in range(2):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = nn.functional.conv2d(x, tensors[f"{name}.conv1.weight"], stride=stride, padding=1)
            y = nn.functional.conv2d(normed(y, f"{name}.bn1").relu(), tensors[f"{name}.conv2.weight"], padding=1)
            if stride == 2:
                x = nn.functional.conv2d(x, tensors[f"{name}.downsample.0.weight"], stride=2)
                x = normed(x, f"{name}.downsample.1")
            x = (normed(y, f"{name}.bn2") + x).relu()
    assert torch.allclose(network(image), x, atol=1e-4)
    assert x.shape == (2, 512, 2, 3)
    assert ResNet(18, 9, fine=True)(torch.zeros(2, 9, 16, 24)).shape == (2, 512, 2, 3)


def test_maps_are_a_fourth_of_images_that_must_fit():
    part, batch = backbone().eval(), crowd()
    assert part.canvas == (64, 128)
    assert part.per_scene
    maps = found_in(part, batch)
    assert maps.heatmaps.shape == (3, 15, 16, 32)
    assert maps.boxes.shape == (3, 4, 16, 32)
    assert maps.heatmaps.min() >= 0
    assert maps.focal.tolist() == pytest.approx([1400 * 32 / 1280] * 3)
    other = pictured(batch.joints_2d, [0, 0, 1, 1], 3, canvas=(32, 64))
    with pytest.raises(
        PoseplugError, match=r"64 x 128 pixels, and these have 32 x 64; give the source canvas=\[64,128\]"
    ):
        found_in(part, other)
    bare = attrs.evolve(other, scenes=attrs.evolve(other.scenes, image=None))
    with pytest.raises(PoseplugError, match="have none"):
        found_in(part, bare)


@pytest.mark.parametrize(
    ("settings", "said"), [({"depth": 20}, "18, 34"), ({"height": 20}, "multiple of 8"), ({"mean": (0.5,)}, "three")]
)
def test_settings_that_make_no_network_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        BackboneSettings(**settings)


def test_losses_worked_out_by_hand():
    pixels = torch.full((2, 15, 2), 320.0)
    pixels[0, 1] = torch.tensor([320.0, 480.0])  # 160 pixels tall, that is 4 cells
    pixels[0, 5] = torch.nan
    pixels[1] = torch.tensor([-50.0, 10.0])  # nothing of them is in the picture
    batch = scenes_of(pixels, [0, 1], 2, camera=cameras(2, size=(1280.0, 640.0)))
    letterbox, focal = cells_of(batch.places.camera, 16, 32)
    maps = Maps(torch.zeros(2, 15, 16, 32), torch.zeros(2, 4, 16, 32), letterbox, focal)
    targets = targets_of(batch, maps)
    assert targets.known[0].tolist() == [1.0] * 5 + [0.0] + [1.0] * 9
    assert not targets.known[1].any()
    assert targets.placed.tolist() == [1, 0]
    assert targets.cell[0] == 8 * 32 + 8
    # Edges at 0, 12 % of 4 cells, 0 and 4 + 12 % of 4 cells.
    assert targets.distances[0].tolist() == pytest.approx([0, 0.48, 0, 4.48], abs=1e-5)
    assert box_loss(maps, targets).item() == pytest.approx(4.96 / 4)
    expected = targets.heatmaps.square().sum() / (2 * 15 * 16 * 32)
    assert expected > 0
    assert heatmap_loss(maps, targets).item() == pytest.approx(expected.item())
    wrong = attrs.evolve(maps, heatmaps=torch.ones_like(maps.heatmaps) * (1 - targets.known[..., None, None]))
    assert heatmap_loss(wrong, targets).item() == pytest.approx(expected.item())
    perfect = attrs.evolve(maps, heatmaps=targets.heatmaps)
    assert heatmap_loss(perfect, targets) == 0


def test_scenes_without_people_lose_nothing():
    part = backbone()
    batch = pictured(torch.zeros(0, 15, 2), [], 2)
    losses = part.loss(found_in(part, batch), batch)
    assert [loss.item() for loss in losses.values()] == [0, 0]
    sum(losses.values()).backward()


def test_mirrored_images_have_mirrored_maps():
    """Whatever the weights: what was mirrored and mirrored back is what the mirror image shows, sides exchanged."""
    batch = crowd()
    part = backbone(flip=1.0)
    part.generator = torch.Generator().manual_seed(0)
    # Batch statistics do not know left from right, so both passes may take them.
    turned = found_in(part, batch)
    part.generator = None
    plain = found_in(part, batch.mirrored())
    flip = list(SKELETON.flip_index)
    assert torch.allclose(turned.heatmaps, plain.heatmaps[:, flip].flip(-1), atol=1e-5)
    assert torch.allclose(turned.boxes[:, 0], plain.boxes[:, 2].flip(-1), atol=1e-5)
    assert torch.allclose(turned.boxes[:, 1], plain.boxes[:, 1].flip(-1), atol=1e-5)
    exact = targets_of(batch, plain)
    mirrored = targets_of(batch.mirrored(), plain)
    assert torch.allclose(mirrored.heatmaps[:, flip].flip(-1), exact.heatmaps, atol=1e-5)
    assert torch.allclose(mirrored.distances[:, [2, 1, 0, 3]], exact.distances, atol=1e-4)
    tested = backbone(flip_test=True).eval()
    tested.net.load_state_dict(part.net.state_dict())
    there, back = found_in(tested, batch), found_in(tested, batch.mirrored())
    assert torch.allclose(there.heatmaps, back.heatmaps[:, flip].flip(-1), atol=1e-5)


def test_weights_of_files_are_taken(tmp_path):
    part = backbone(1)
    tensors = part.net.state_dict()
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}}, tmp_path / "all.pth")
    again = backbone(2, weights=str(tmp_path / "all.pth"))
    assert all(torch.equal(a, b) for a, b in zip(again.net.state_dict().values(), tensors.values(), strict=True))
    trunk = {n: t for n, t in tensors.items() if n.startswith(("conv1", "bn1", "layer"))}
    torch.save({**trunk, "fc.weight": torch.zeros(1000, 512)}, tmp_path / "imagenet.pth")
    begun = backbone(2, weights=str(tmp_path / "imagenet.pth")).net.state_dict()
    assert torch.equal(begun["layer4.1.conv2.weight"], tensors["layer4.1.conv2.weight"])
    assert not torch.equal(begun["final_layer.weight"], tensors["final_layer.weight"])
    within = {f"backbone.{n}": t for n, t in tensors.items()} | {"pose_net.weight": torch.zeros(1)}
    torch.save(within, tmp_path / "released.pth")
    taken = backbone(3, weights=str(tmp_path / "released.pth")).net.state_dict()
    assert torch.equal(taken["bbox.2.bias"], tensors["bbox.2.bias"])
    with pytest.raises(PoseplugError, match="do not fit: layer"):
        backbone(1, depth=34, weights=str(tmp_path / "imagenet.pth"))
    with pytest.raises(PoseplugError, match="check the path"):
        backbone(weights=str(tmp_path / "none.pth"))


def test_it_learns_people_by_heart():
    """One drawn scene with two people: after some steps they are found where they are."""
    generator = torch.Generator().manual_seed(0)
    pixels = people(2, generator, size=(1280.0, 640.0))
    pixels += torch.tensor([[[360.0, 320.0]], [[900.0, 330.0]]]) - pixels[:, SKELETON.root, None]
    batch = pictured(pixels, [0, 0], 1)
    part = backbone(deconv_channels=32, flip=0.0)
    optimiser = torch.optim.Adam(part.parameters(), lr=2e-3)
    part.generator = generator
    first = None
    for _ in range(24):
        losses = part.loss(found_in(part, batch), batch)
        first = first or losses["heatmaps"].item()
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
    assert losses["heatmaps"].item() < first / 2
    maps = found_in(part.train(), batch)
    found = decode(attrs.evolve(maps, heatmaps=maps.heatmaps.detach()), SKELETON.root, most=2, least=0.3)
    places = maps.letterbox.place(batch.joints_2d, batch.scene)[:, SKELETON.root]
    assert torch.cdist(found.place, places).amin(0).max() < 1
