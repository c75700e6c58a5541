import math

import pytest
import torch

from poseplug.core.geometry.layouts import H36M_16
from poseplug_baselines.nonlocal_pairs import NonLocalPairs, joint_pairs
from poseplug_baselines.semgraph import SemGraphConv

CPU = torch.device("cpu")


def neighbours(skeleton, i):
    return [j for j in range(skeleton.num_joints) if j == i or (i, j) in skeleton.bones or (j, i) in skeleton.bones]


def test_convolution_is_the_formula(skeleton):
    conv = SemGraphConv(3, 4, skeleton, CPU).double()
    torch.nn.init.normal_(conv.logits)
    x = torch.randn(skeleton.num_joints, 5, 3, dtype=torch.double)
    logits = iter(conv.logits)  # one for each edge, in row-major order
    for i in range(skeleton.num_joints):
        around = neighbours(skeleton, i)
        strength = torch.stack([next(logits) for _ in around]).exp()
        expected = conv.bias.expand(5, 4)
        for j, share in zip(around, strength / strength.sum(), strict=True):
            expected = expected + share * (x[j] @ conv.weight[0 if j == i else 1].T)
        torch.testing.assert_close(conv(x)[i], expected)
    assert next(logits, None) is None


def test_start_of_the_convolution():
    """Shares equal, and the Xavier bound of the stacked weights: figures of the authors' code."""
    assert len(SemGraphConv(2, 128, H36M_16, CPU).logits) == 46
    for inputs, outputs, bound in [(2, 128, 0.1531), (128, 128, 0.0269), (128, 3, 0.1754)]:
        conv = SemGraphConv(inputs, outputs, H36M_16, CPU)
        assert conv.weight.abs().max().item() == pytest.approx(bound, rel=0.02)
        assert conv.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert conv.bias.abs().max().item() <= 1 / math.sqrt(outputs)
    mixing = conv.mixing()
    degree = torch.tensor([4.0, 3, 3, 2, 3, 3, 2, 3, 5, 2, 3, 3, 2, 3, 3, 2])
    torch.testing.assert_close(mixing.sum(-1), torch.ones(16))
    torch.testing.assert_close(mixing.diagonal(), 1 / degree)


def test_groups_of_the_authors():
    expected = [[2, 3], [5, 6], [1, 4], [0, 7], [8, 9], [14, 15], [11, 12], [10, 13]]
    assert sorted(joint_pairs(H36M_16)) == sorted(tuple(pair) for pair in expected)


def test_every_joint_is_in_one_group(skeleton):
    joints = [joint for pair in joint_pairs(skeleton) for joint in set(pair)]
    assert sorted(joints) == list(range(skeleton.num_joints))


def test_non_local_blocks_start_as_the_identity(build):
    torch.manual_seed(3)
    lifter = build("semgcn", non_local=True).eval()
    plain = build("semgcn").eval()
    kept = [module for module in lifter.body if not isinstance(module, NonLocalPairs)]
    plain.body, plain.head = torch.nn.Sequential(*kept), lifter.head
    x = torch.randn(4, 16, 2)
    assert len(lifter.body) - len(kept) == 5
    assert torch.equal(lifter(x), plain(x))
    for module in lifter.body:
        if isinstance(module, NonLocalPairs):
            torch.nn.init.ones_(module.norm.weight)
    assert not torch.allclose(lifter(x), plain(x))


def test_non_local_block_is_the_formula(skeleton):
    block = NonLocalPairs(6, skeleton, CPU).double().eval()
    torch.nn.init.normal_(block.norm.weight)
    x = torch.randn(skeleton.num_joints, 1, 6, dtype=torch.double)
    pairs = joint_pairs(skeleton)
    for i in range(skeleton.num_joints):
        gathered = torch.zeros(3, dtype=torch.double)
        for pair in pairs:
            phi = torch.stack([block.phi(x[j, 0]) for j in pair]).amax(0)
            g = torch.stack([block.g(x[j, 0]) for j in pair]).amax(0)
            affinity = torch.cat([block.theta(x[i, 0]), phi]) @ block.affinity.weight[0]
            gathered = gathered + affinity.clamp(min=0) / len(pairs) * g
        update = block.expand(gathered) / math.sqrt(1 + 1e-5) * block.norm.weight
        torch.testing.assert_close(block(x)[i, 0], x[i, 0] + update)
