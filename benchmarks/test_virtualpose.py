"""How fast virtual scenes become maps. Run: pytest benchmarks/test_virtualpose.py.

The released code is looked for where POSEPLUG_VIRTUALPOSE_CODE says; without it, nothing is compared.
"""

import importlib
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.interfaces import BuildContext
from poseplug_datasets.builtin import Builtin, BuiltinSettings
from poseplug_virtualpose.agr.decoding import decode, joints_in_boxes
from poseplug_virtualpose.agr.noise import NoiseSettings, noisy
from poseplug_virtualpose.agr.people import People2D
from poseplug_virtualpose.agr.rendered import RenderedMaps, RenderedMapsSettings
from poseplug_virtualpose.agr.rendering import draw_heatmaps, sigmas
from poseplug_virtualpose.scenes.virtual_scenes import VirtualScenes, VirtualScenesSettings

CODE = os.environ.get("POSEPLUG_VIRTUALPOSE_CODE", "")
SCENES, PEOPLE, HEIGHT, WIDTH = 24, 4, 128, 240
SKELETON = LAYOUTS["panoptic15"]
# What the released code imports and drawing has no need of.
_UNUSED = ("cv2", "json_tricks", "pycocotools", "pycocotools.coco")
QUIET = {"joint_drop": 0.0, "covered_drop": 0.0, "person_drop": 0.0, "box_noise": 0.0}


def released_drawing(code, joints, size):
    """``generate_input_heatmap`` of a checkout, with noise, as a function of people [P, J, 2] in pixels.

    Nothing of it is copied: the methods that draw are used without a data set behind them.
    """
    for name in _UNUSED:
        sys.modules.setdefault(name, types.ModuleType(name))
    # Its packages import all data sets; only two modules are wanted.
    for name in ("virtualpose", "virtualpose.dataset", "virtualpose.utils"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(code, *name.split(".")))]
        sys.modules[name] = package
    found = importlib.import_module("virtualpose.dataset.SynJointsDataset").SynJointsDataset
    drawing = found.__new__(found)
    drawing.cfg = types.SimpleNamespace(NETWORK=types.SimpleNamespace(NUM_JOINTS=joints))
    drawing.heatmap_size, drawing.image_size = np.array(size[::-1]), np.array(size[::-1]) * 4
    drawing.target_type, drawing.heatmap_sigma, drawing.heatmap_sigma_scale = "gaussian", 3, True
    drawing.heatmap_noise = drawing.is_train = True
    return lambda people: drawing.generate_input_heatmap(people, None)


@pytest.fixture(scope="module")
def scenes():
    """24 virtual scenes of four people, as many as the paper takes a step."""
    people = Builtin(BuiltinSettings(), BuildContext())
    settings = VirtualScenesSettings(count=PEOPLE, outside="keep")
    source = VirtualScenes(settings, BuildContext(reference=people))
    return source.sample(SCENES, torch.Generator().manual_seed(0))


def provided(scenes, **settings):
    made_by = RenderedMaps(RenderedMapsSettings(**settings), BuildContext(skeleton=scenes.skeleton))
    made_by.generator = torch.Generator().manual_seed(0)
    inputs = {"joints_2d": scenes.joints_2d, "scene": scenes.scene_rows, "scenes": scenes.places}
    return lambda: made_by.provide(scenes, **inputs)


def fifteen(scenes):
    """Joints [N, 15, 2] in cells, whatever the layout: the first fifteen."""
    made = provided(scenes, noise="never")()
    return made.letterbox.place(scenes.joints_2d, scenes.scene)[:, : SKELETON.num_joints].contiguous()


def test_maps_of_a_step(benchmark, scenes):
    """Heat maps and boxes with all noise, 128 x 240 cells."""
    benchmark(provided(scenes))
    benchmark.extra_info["ms a scene"] = round(1000 * benchmark.stats.stats.median / SCENES, 2)


def test_maps_of_a_step_on_a_quarter_of_the_cells(benchmark, scenes):
    benchmark(provided(scenes, height=64, width=120))
    benchmark.extra_info["ms a scene"] = round(1000 * benchmark.stats.stats.median / SCENES, 2)


def test_maps_are_read(benchmark, scenes):
    """Ten people at most in each scene, with their joints."""
    maps = provided(scenes)()
    root = scenes.skeleton.root
    benchmark(lambda: joints_in_boxes(maps, decode(maps, root)))
    benchmark.extra_info["ms a scene"] = round(1000 * benchmark.stats.stats.median / SCENES, 2)


@pytest.mark.skipif(not CODE, reason="POSEPLUG_VIRTUALPOSE_CODE does not say where the released code is")
@pytest.mark.parametrize("threads", [1, 2])
def test_maps_beside_the_released_code(benchmark, scenes, ratio_of, threads):
    """A batch's heat maps of fifteen joints with the released code's noise, both in turns, in one process.

    The released code draws on one thread, whatever there is; on two, only putting the scenes together is quicker.
    """
    places = fifteen(scenes)
    theirs = released_drawing(CODE, SKELETON.num_joints, (HEIGHT, WIDTH))
    pixels = [4 * places[scenes.scene == scene].double().numpy() for scene in range(SCENES)]
    generator = torch.Generator().manual_seed(0)
    noise = NoiseSettings(**QUIET)
    ones = torch.ones(places.shape[:2])

    def ours():
        sigma = sigmas(places, ones > 0, WIDTH)
        boxes = torch.zeros(len(places), 4)
        people = People2D(places, ones, sigma, places[:, 0], boxes, sigma, scenes.scene)
        people = noisy(people, SKELETON, noise, generator, scenes=SCENES, most=PEOPLE)
        return draw_heatmaps(people.places, people.sigma, people.scene, (SCENES, HEIGHT, WIDTH), people.peak)

    def released():
        return torch.stack([torch.from_numpy(theirs(people)) for people in pixels])

    assert released().shape == ours().shape
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        ratio = ratio_of(ours, released, rounds=15)
    finally:
        torch.set_num_threads(before)
    benchmark.extra_info["times the released code"] = round(ratio, 1)
    assert ratio > 1
