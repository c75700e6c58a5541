import math
from itertools import pairwise

import attrs
import pytest
import torch

from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug_baselines.attention import JointAttention
from poseplug_baselines.classconv import ClassBlock, ClassConv
from poseplug_baselines.graph import body_parts, joint_graph, part_graph, part_index, with_neck

CPU = torch.device("cpu")


def test_neck_makes_the_authors_17_joints():
    grown = with_neck(H36M_16)
    assert (grown.joints, grown.parents) == (H36M_17.joints, H36M_17.parents)
    assert dict(grown.parts) == dict(H36M_17.parts)


def test_no_neck_where_it_has_no_place(toy):
    assert with_neck(H36M_17) is H36M_17
    assert with_neck(toy) is toy


def test_joint_graph_of_the_authors():
    graph = joint_graph(H36M_17)
    adjacency = graph.adjacency()
    assert graph.distances() == [1, 2, 3, 4, 2, 3, 4, 0, 1, 2, 3, 2, 3, 4, 2, 3, 4]
    assert (adjacency != 0).sum((0, 2)).tolist() == [4, 4, 4, 3, 4, 4, 3, 3, 5, 3, 2, 4, 4, 3, 4, 4, 3]
    torch.testing.assert_close(adjacency.sum((0, 2)), torch.ones(17))
    # The target hip: itself, the hips farther out, the spine closer in, no mirror image; each a quarter.
    assert [a.nonzero().flatten().tolist() for a in adjacency[:, 0]] == [[0], [1, 4], [7], []]
    # The target right knee: itself, the foot, the right hip, the left knee.
    assert [a.nonzero().flatten().tolist() for a in adjacency[:, 2]] == [[2], [3], [1], [5]]


def test_part_graph_of_the_authors():
    parts = body_parts(H36M_17)
    assert [set(part) for part in parts] == [{11, 12, 13}, {14, 15, 16}, {4, 5, 6}, {1, 2, 3}, {0, 7, 8, 9, 10}]
    graph = part_graph(H36M_17, parts)
    adjacency = graph.adjacency()
    assert graph.centre == 4
    assert (adjacency != 0).sum((0, 2)).tolist() == [3, 3, 3, 3, 5]
    assert [a.nonzero().flatten().tolist() for a in adjacency[:, 0]] == [[0], [], [4], [1]]
    assert [a.nonzero().flatten().tolist() for a in adjacency[:, 4]] == [[4], [0, 1, 2, 3], [], []]


def test_parts_of_a_skeleton_without_parts(toy, tree):
    assert [set(part) for part in body_parts(toy)] == [{0}, {4, 1}, {3}, {2}]
    parts = body_parts(tree)
    assert part_index(parts) == [next(p for p, part in enumerate(parts) if j in part) for j in range(21)]
    trunk = set(parts[-1])
    assert tree.index(tree.centre) in trunk
    for limb in parts[:-1]:  # a chain that hangs from the trunk or from another branching joint
        assert all(tree.parent_index[child] == parent for parent, child in pairwise(limb))
    adjacency = part_graph(tree, parts).adjacency()
    torch.testing.assert_close(adjacency.sum((0, 2)), torch.ones(len(parts)))


def test_parts_that_overlap_or_leave_joints_out_are_refused(build):
    parts = {**H36M_16.parts, "torso": ("Hip", "Spine", "LHip")}
    with pytest.raises(PoseplugError, match=r"'h36m16\+Neck' .*Head, LHip, Neck, Thorax belong to none or to several"):
        build("stgcn", attrs.evolve(H36M_16, parts=parts))


@pytest.mark.parametrize("of_parts", [False, True])
def test_convolution_is_the_formula(skeleton, of_parts):
    graph = part_graph(skeleton, body_parts(skeleton)) if of_parts else joint_graph(skeleton)
    adjacency = graph.adjacency().double()
    conv = ClassConv(3, 4, graph, CPU).double()
    conv.load_state_dict({k: torch.randn(v.shape) for k, v in conv.state_dict().items()})
    for name, buffer in conv.named_buffers():  # single-precision shares, exact in double
        getattr(conv, name).copy_(buffer)
    x = torch.randn(graph.size, 5, 3, dtype=torch.double)
    for target in range(graph.size):
        expected = torch.zeros(5, 4, dtype=torch.double)
        for k in range(4):
            for source in range(graph.size):
                expected += adjacency[k, target, source] * (x[source] @ conv.weight[k].T + conv.bias[k])
        torch.testing.assert_close(conv(x)[target], expected)


def test_start_of_the_convolution():
    conv = ClassConv(64, 32, joint_graph(H36M_17), CPU)
    assert conv.weight.abs().max().item() == pytest.approx(1 / 8, rel=0.01)
    assert conv.weight.std().item() == pytest.approx(1 / 8 / math.sqrt(3), rel=0.02)
    assert 0 < conv.bias.abs().max().item() <= 1 / 8


@pytest.mark.parametrize(("inputs", "shortcut"), [(6, True), (3, True), (6, False)])
def test_block_is_the_formula(inputs, shortcut):
    block = ClassBlock(inputs, 6, joint_graph(H36M_17), 0.0, CPU, shortcut=shortcut).double().eval()
    x = torch.randn(17, 5, inputs, dtype=torch.double)
    unit = math.sqrt(1 + 1e-5)  # normalisation with the statistics of the start
    y = (block.conv(x) / unit).clamp(min=0)
    y = (y @ block.linear.weight.T + block.linear.bias) / unit
    if shortcut and inputs == 6:
        y = y + x
    elif shortcut:
        y = y + (x @ block.match[0].weight.T + block.match[0].bias) / unit
    torch.testing.assert_close(block(x), y.clamp(min=0))


def test_attention_is_the_formula():
    attention = JointAttention(3, 4, CPU).double().eval()
    torch.nn.init.normal_(attention.norm.weight)
    joints, parts = torch.randn(4, 5, 3, dtype=torch.double), torch.randn(2, 5, 3, dtype=torch.double)
    part_of = [1, 0, 0, 1]
    membership = torch.nn.functional.one_hot(torch.tensor(part_of)).double()
    whole = torch.cat([joints, parts[part_of]], dim=-1)
    theta, phi, g = (linear(whole) for linear in (attention.theta, attention.phi, attention.g))
    for n in range(5):
        for i in range(4):
            strength = torch.stack([theta[i, n] @ phi[j, n] for j in range(4)]).exp()
            gathered = sum(s * g[j, n] for j, s in enumerate(strength / strength.sum()))
            update = attention.expand(gathered) / math.sqrt(1 + 1e-5) * attention.norm.weight
            torch.testing.assert_close(attention(joints, parts, membership)[i, n], whole[i, n] + update)


def test_attention_starts_as_the_identity():
    joints = torch.randn(4, 5, 3)
    result = JointAttention(3, 4, CPU).eval()(joints, joints[:1], torch.ones(4, 1))
    assert torch.equal(result, torch.cat([joints, joints[:1].expand(4, 5, 3)], dim=-1))


def test_network_above_its_blocks_is_the_formula(build, warmed, skeleton):
    """Input normalisation, neck, pooling, whole body, concatenation and head, the plain way."""
    lifter = warmed(build("stgcn", skeleton, channels=4))
    x = torch.randn(6, skeleton.num_joints, 2)
    neck = (x[:, 8:9] + x[:, 9:10]) / 2 if skeleton is H36M_16 else x[:, :0]
    x17 = torch.cat([x[:, :9], neck, x[:, 9:]], dim=1)
    norm = lifter.input_norm
    flat = (x17.flatten(1) - norm.running_mean) / (norm.running_var + 0.1).sqrt() * norm.weight + norm.bias
    joints = lifter.joint_blocks(flat.view(x17.shape).transpose(0, 1))
    pooled = torch.stack([torch.stack([joints[j] for j in part]).amax(0) for part in lifter.parts])
    parts = lifter.part_blocks(pooled)
    body = lifter.body_norm(lifter.body(parts.amax(0))).relu()
    both = torch.cat([body.expand(parts.shape), parts], dim=-1)
    merged = lifter.merge_norm(lifter.merge(both)).relu()
    features = lifter.attention(joints, merged, torch.eye(len(parts))[part_index(lifter.parts)])
    expected = lifter.head(features).transpose(0, 1)
    if skeleton is H36M_16:
        expected = expected[:, [j for j in range(17) if j != 9]]
    torch.testing.assert_close(lifter(x), expected, rtol=1e-4, atol=1e-5)


def test_default_dropout_differs_by_layer(build):
    lifter = build("stgcn", channels=4)
    assert {block.dropout for block in (*lifter.joint_blocks, *lifter.part_blocks)} == {0.05}
    assert (lifter.drop_body, lifter.drop_joints) == (0.25, 0.1)
    lifter = build("stgcn", channels=4, dropout=0.3)
    assert {block.dropout for block in (*lifter.joint_blocks, *lifter.part_blocks)} == {0.3}
    assert (lifter.drop_body, lifter.drop_joints) == (0.3, 0.3)
