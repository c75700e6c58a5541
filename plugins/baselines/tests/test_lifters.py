"""What all four lifters promise."""

import math

import pytest
import torch
from safetensors.torch import load, save

# Counted on the authors' models: trainable parameters, and buffers of batch normalisation with their counters.
COUNTS = [
    ("mlp", {}, 4_288_557, 10_245),
    ("mlp", {"blocks": 4}, 8_495_149, 18_441),
    ("videopose", {}, 8_485_933, 18_441),
    ("semgcn", {}, 267_343, 2_313),
    ("semgcn", {"non_local": True}, 434_703, 2_313 + 5 * 257),
    ("stgcn", {}, 3_627_847, 10_324),
]
# Outputs of the authors' models with every parameter equal to a constant.
SEMGCN = (
    *(2.61856, 2.61618, 2.61455, 2.61347, 2.61737, 2.61691, 2.61646, 2.62150),
    *(2.62491, 2.62400, 2.62602, 2.62734, 2.62828, 2.62944, 2.63295, 2.63468),
)
GOLDEN = [
    ("mlp", {}, 0.01, 1, (0.0, *[0.35255] * 15)),
    ("mlp", {}, 0.01, 2, (0.0, *[0.36026] * 15)),
    ("mlp", {"blocks": 4}, 0.01, 1, (0.0, *[0.58899] * 15)),
    ("mlp", {"blocks": 4}, 0.01, 2, (0.0, *[0.59687] * 15)),
    ("videopose", {}, 0.01, 1, (0.0, *[0.58334] * 15)),
    ("videopose", {}, 0.01, 2, (0.0, *[0.59122] * 15)),
    ("semgcn", {}, 0.05, 1, SEMGCN),
    ("stgcn", {}, 0.01, 1, (0.15876,) * 16),
    ("stgcn", {}, 0.02, 1, (1.182895,) * 16),
]
NARROW = {"channels": 4}


@pytest.mark.parametrize(("name", "settings", "parameters", "buffers"), COUNTS)
def test_size(build, name, settings, parameters, buffers):
    lifter = build(name, **settings)
    assert sum(p.numel() for p in lifter.parameters()) == parameters
    assert sum(v.numel() for v in lifter.state_dict().values()) == parameters + buffers


@pytest.mark.parametrize(("name", "settings", "constant", "scale", "expected"), GOLDEN)
def test_output_of_the_authors_models(build, name, settings, constant, scale, expected):
    lifter = build(name, **settings).eval()
    with torch.no_grad():
        for parameter in lifter.parameters():
            parameter.fill_(constant)
        j = torch.arange(16.0)
        joints = lifter(scale * torch.stack([0.1 * j - 0.5, 1 / (j + 1)], dim=-1)[None])
    # What is expected are numbers of other processors, which add up in another order.
    torch.testing.assert_close(joints[0], torch.tensor(expected)[:, None].expand(16, 3), rtol=0, atol=1e-5)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_any_skeleton_and_any_number(build, name, skeleton, n):
    lifter = build(name, skeleton, **NARROW).eval()
    joints = lifter(torch.randn(n, skeleton.num_joints, 2))
    assert joints.shape == (n, skeleton.num_joints, 3)
    assert joints.isfinite().all()


@pytest.mark.parametrize("name", ["mlp", "videopose"])
def test_perceptrons_put_the_root_at_zero(build, toy, name):
    joints = build(name, toy, **NARROW)(torch.randn(6, 5, 2))
    assert (joints[:, toy.root] == 0).all()
    others = [j for j in range(5) if j != toy.root]
    assert (joints[:, others] != 0).all()


@pytest.mark.parametrize("name", ["mlp", "videopose"])
@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_perceptron_is_the_formula(build, toy, warmed, name, blocks):
    lifter = warmed(build(name, toy, channels=6, blocks=blocks)).double()
    x = torch.randn(7, 5, 2, dtype=torch.double)

    def layer(h, m):
        h = h @ m.linear.weight.T + (0 if m.linear.bias is None else m.linear.bias)
        scaled = (h - m.norm.running_mean) / (m.norm.running_var + 1e-5).sqrt() * m.norm.weight + m.norm.bias
        return scaled.clamp(min=0)

    h = layer(x.reshape(7, 10), lifter.net.expand)
    for block in lifter.net.blocks:
        h = h + layer(layer(h, block.first), block.second)
    moving = (h @ lifter.net.shrink.weight.T + lifter.net.shrink.bias).view(7, 4, 3)
    expected = torch.cat([moving[:, :2], torch.zeros(7, 1, 3), moving[:, 2:]], dim=1)
    torch.testing.assert_close(lifter(x), expected)


def test_only_the_mlp_has_hidden_biases(build):
    assert build("mlp", **NARROW).net.expand.linear.bias is not None
    assert build("videopose", **NARROW).net.expand.linear.bias is None


def test_start_of_the_perceptrons(build):
    """Kaiming-normal weights in the mlp, PyTorch's uniform default of +-1/sqrt(inputs) in videopose or if asked for."""
    mlp, others = build("mlp"), (build("videopose"), build("mlp", initial="uniform"))
    for layer in ("expand.linear", "blocks.0.first.linear", "shrink"):
        inputs = mlp.net.get_submodule(layer).in_features
        normal = mlp.net.get_submodule(layer).weight
        assert normal.std().item() == pytest.approx(math.sqrt(2 / inputs), rel=0.02)
        assert normal.abs().max() > 3 * math.sqrt(2 / inputs)
        for uniform in (other.net.get_submodule(layer).weight for other in others):
            assert uniform.abs().max().item() == pytest.approx(1 / math.sqrt(inputs), rel=0.01)
            assert uniform.std().item() == pytest.approx(1 / math.sqrt(3 * inputs), rel=0.02)


def smallest(name):
    """The smallest settings under which every kind of layer still occurs."""
    return {"channels": 2} if name == "stgcn" else {"channels": 3, "blocks": 1}


@pytest.mark.parametrize("training", [True, False])
def test_gradients(build, toy, warmed, name, training):
    lifter = warmed(build(name, toy, dropout=0.0, **smallest(name))).double().train(training)
    x = torch.randn(3, 5, 2, dtype=torch.double, requires_grad=True)
    names = [name for name, _ in lifter.named_parameters()]

    def run(joints, *parameters):
        return torch.func.functional_call(lifter, dict(zip(names, parameters, strict=True)), joints)

    parameters = [p.detach().clone().requires_grad_() for p in lifter.parameters()]
    assert torch.autograd.gradcheck(run, (x, *parameters), fast_mode=True)


def test_gradients_of_the_non_local_block(build, toy, warmed):
    lifter = warmed(build("semgcn", toy, channels=4, blocks=1, non_local=True)).double().train()
    x = torch.randn(3, 5, 2, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lifter, (x,))


def test_every_parameter_learns(build, warmed, name):
    lifter = warmed(build(name, **NARROW)).train()
    lifter(torch.randn(16, 16, 2)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in lifter.parameters())
    # Ahead of a batch normalisation a bias has no effect, and the bias of phi none ahead of the softmax.
    without = ("linear.bias", "conv.bias", "body.bias", "merge.bias", "expand.bias", "phi.bias", "match.0.bias")
    silent = [name for name, p in lifter.named_parameters() if not p.grad.any() and not name.endswith(without)]
    assert silent == []


def test_inference_does_not_depend_on_the_batch(build, warmed, name):
    """300 poses pass in pieces through convolutions, one at a time through plain products: equal all the same."""
    lifter = warmed(build(name, channels=32))
    x = torch.randn(300, 16, 2)
    with torch.no_grad():
        together = lifter(x)
        alone = torch.cat([lifter(x[i : i + 1]) for i in (0, 127, 128, 299)])
    torch.testing.assert_close(together[[0, 127, 128, 299]], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(together, lifter(x).detach(), rtol=1e-4, atol=1e-5)


def test_double_and_single_precision_agree(build, warmed, name):
    lifter = warmed(build(name, channels=32))
    x = torch.randn(200, 16, 2)
    with torch.no_grad():
        single = lifter(x)
        double = lifter.double()(x.double())
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-4)


def test_autocast(build, warmed, name):
    lifter = warmed(build(name, channels=32)).train()
    x = torch.randn(64, 16, 2)
    with torch.autocast("cpu", torch.bfloat16):
        lifter(x).square().mean().backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in lifter.parameters())
    lifter.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        low = lifter(x)
    with torch.no_grad():
        full = lifter(x)
    assert (low.float() - full).norm() < 0.1 * full.norm()


def test_state_dict_survives_safetensors(build, warmed, name):
    lifter, other = warmed(build(name, **NARROW)), build(name, **NARROW).eval()
    x = torch.randn(4, 16, 2)
    assert not torch.equal(lifter(x), other(x))
    other.load_state_dict(load(save(dict(lifter.state_dict()))))
    assert torch.equal(lifter(x), other(x))


def test_equal_seeds_give_equal_training(build, name):
    def run():
        torch.manual_seed(5)
        lifter = build(name, dropout=0.3, **NARROW)
        return lifter(torch.randn(32, 16, 2))

    assert torch.equal(run(), run())


def test_channels_and_dropout_have_effect(build, name):
    narrow, wide = build(name, channels=4), build(name, channels=8)
    assert sum(p.numel() for p in narrow.parameters()) < sum(p.numel() for p in wide.parameters())
    x = torch.randn(64, 16, 2)
    dry = build(name, channels=8, dropout=0.0).train()
    torch.testing.assert_close(dry(x), dry(x))
    wet = build(name, channels=8, dropout=0.5).train()
    assert not torch.allclose(wet(x), wet(x))
    wet.eval()
    assert torch.equal(wet(x), wet(x))


@pytest.mark.parametrize("name", ["mlp", "videopose", "semgcn"])
def test_blocks_have_effect(build, name):
    sizes = [sum(p.numel() for p in build(name, channels=4, blocks=b).parameters()) for b in (0, 1, 2)]
    assert sizes[1] - sizes[0] == sizes[2] - sizes[1] > 0


@pytest.mark.parametrize("name", ["semgcn", "stgcn"])
@pytest.mark.parametrize("skeleton", ["h36m16", "h36m17", "toy"], indirect=True)
def test_graphs_treat_left_and_right_alike(build, warmed, name, skeleton):
    """Holds at the start for any weights but the edge logits of semgcn, which start equal."""
    lifter = warmed(build(name, skeleton, channels=16))
    if name == "stgcn":  # its first normalisation has statistics of each joint
        lifter.input_norm.reset_parameters()
    flip = list(skeleton.flip_index)
    x = torch.randn(5, skeleton.num_joints, 2)
    torch.testing.assert_close(lifter(x[:, flip]), lifter(x)[:, flip], rtol=1e-4, atol=1e-5)


def test_export(build, warmed, name):
    lifter = warmed(build(name, **NARROW))
    batch = {"joints_2d": {0: torch.export.Dim("n", min=2, max=4096)}}
    program = torch.export.export(lifter, (torch.randn(5, 16, 2),), dynamic_shapes=batch, strict=False)
    x = torch.randn(300, 16, 2)
    torch.testing.assert_close(program.module()(x), lifter(x), rtol=1e-4, atol=1e-5)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_cuda_agrees_with_the_cpu(build, warmed, name):
    lifter = warmed(build(name, channels=32))
    x = torch.randn(200, 16, 2)
    with torch.no_grad():
        expected = lifter(x)
        found = lifter.to("cuda")(x.to("cuda"))
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-4)
