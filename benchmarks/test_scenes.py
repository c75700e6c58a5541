"""How fast virtual scenes are made, people included. Run: pytest benchmarks/test_scenes.py."""

import pytest
import torch

from poseplug.core.interfaces import BuildContext
from poseplug_datasets.builtin import Builtin, BuiltinSettings
from poseplug_virtualpose.scenes.virtual_scenes import VirtualScenes, VirtualScenesSettings


@pytest.mark.parametrize("outside", ["keep", "drop"])
@pytest.mark.parametrize("scenes", [24, 1024])
def test_virtual_scenes(benchmark, scenes, outside):
    people = Builtin(BuiltinSettings(), BuildContext())
    source = VirtualScenes(VirtualScenesSettings(outside=outside), BuildContext(reference=people))
    generator = torch.Generator().manual_seed(0)
    batch = benchmark(source.sample, scenes, generator)
    benchmark.extra_info["scenes/s"] = round(scenes / benchmark.stats.stats.median)
    assert batch.num_scenes == scenes
