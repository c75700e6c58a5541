"""The deep learner of the paper: its size, its layers, and what it reads."""

from __future__ import annotations

import pytest
import torch
from cascade_kit import trainer_of
from torch import nn

from poseplug.core.data.normalise import Normalisation
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.interfaces import BuildContext
from poseplug.registry.config.resolve import knowing
from poseplug.registry.conformance import conformance_tests
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug_evoskeleton.tagnet import TagNet, TagNetConfig

SMALL = {"channels": 16, "blocks": 1}
test_promises_of_what_its_settings_change = conformance_tests(
    "lifter", TagNet, {**SMALL, "norm_single": True, "leaky": True}
)


def tagnet(skeleton: Skeleton = H36M_16, **settings: object) -> TagNet:
    return TagNet(TagNetConfig(**settings), BuildContext(skeleton=skeleton))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("specification", "millions"),
    [("tagnet:blocks=2", 4.29), ("tagnet", 6.40), ("cascade", 19.19), ("cascade:parts=1,part='tagnet:blocks=2'", 4.29)],
)
def test_it_is_as_large_as_the_papers(specification: str, millions: float) -> None:
    context = knowing(BuildContext(skeleton=H36M_17, device=torch.device("meta")), load_catalogue())
    assert context.build is not None
    assert round(parameters(context.build("lifter", specification)) / 1e6, 2) == millions


@pytest.mark.parametrize("leaky", [False, True])
def test_its_layers_are_those_of_plain_pytorch(leaky: bool) -> None:
    net = tagnet(H36M_17, channels=12, blocks=2, leaky=leaky, dropout=0.0)

    def layer(inputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, 12), nn.BatchNorm1d(12), nn.LeakyReLU() if leaky else nn.ReLU()]

    enter, leave = nn.Sequential(*layer(34)), nn.Linear(12, 48)
    blocks = [nn.Sequential(*layer(12), *layer(12)) for _ in range(2)]
    plain = nn.ModuleList([enter, *blocks, leave])
    plain.load_state_dict(dict(zip(plain.state_dict(), net.state_dict().values(), strict=True)))
    seen = torch.randn(32, 17, 2, generator=torch.Generator().manual_seed(0))
    for training in (True, False):
        x = enter.train(training)(seen.flatten(1))
        for block in blocks:
            x = x + block.train(training)(x)
        found = net.train(training)(seen)
        torch.testing.assert_close(found[:, 1:], leave(x).view(32, 16, 3))
        assert not found[:, 0].any()


def test_half_of_what_a_hidden_layer_says_is_dropped() -> None:
    torch.manual_seed(0)
    layer = tagnet(channels=64, blocks=0).enter
    seen = torch.randn(256, 32)
    dropped = layer(seen)
    layer.probability = 0.0
    kept = layer(seen)
    assert 0.45 < (dropped[kept > 0] > 0).float().mean() < 0.55
    torch.testing.assert_close(dropped, torch.where(dropped > 0, 2 * kept, 0))


def test_weights_start_as_pytorchs() -> None:
    torch.manual_seed(1)
    expected = nn.Linear(32, 12).weight
    torch.manual_seed(1)
    torch.testing.assert_close(tagnet(channels=12).enter.linear.weight, expected)


def test_its_settings_decide_how_it_sees_key_points() -> None:
    assert tagnet(**SMALL).normalisation is Normalisation.STANDARDISED
    assert tagnet(**SMALL, norm_single=True).normalisation is Normalisation.POSE_STANDARDISED
    for single in (False, True):
        model = trainer_of({"name": "tagnet", **SMALL, "norm_single": single}).assembly.model
        assert model.normaliser.needs_fit is not single


def test_an_estimate_is_read_standardised_and_without_its_root() -> None:
    star = Skeleton("star", ("a", "b", "root"), ("root", "root", ""))
    net = tagnet(star, channels=4, blocks=0, estimate=True).eval()
    seen: list[torch.Tensor] = []
    net.enter.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    estimate = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [9.0, 9.0, 9.0]]])
    net(torch.ones(1, 3, 2), estimate=estimate)
    expected = (torch.arange(6) - 2.5) / (35 / 12) ** 0.5
    torch.testing.assert_close(seen[0], torch.cat([torch.ones(6), expected])[None])
    # There is none yet before the first part.
    net(torch.ones(1, 3, 2), estimate=torch.zeros(1, 3, 3))
    assert torch.equal(seen[1], torch.cat([torch.ones(6), torch.zeros(6)])[None])


def test_without_a_cascade_there_is_no_estimate() -> None:
    with pytest.raises(PoseplugError, match="^Lifter 'tagnet' reads input 'estimate'. There is no input 'estimate'"):
        trainer_of({"name": "tagnet", "estimate": True})
    with pytest.raises(PoseplugError, match="only a cascade has one for it"):
        tagnet(**SMALL, estimate=True)(torch.zeros(2, 16, 2))
