"""How long volumes, networks over them and what is read from them take: ours, or VirtualPose's released code.

``python benchmarks/volume_rates.py ours THREADS`` and ``... theirs THREADS CODE`` print a name and milliseconds a line:
fifteen joints, maps of 128 x 240 cells, 80 x 80 x 24 voxels with four people, cubes of 64 x 64 x 64.
``... step SCENES CHUNK`` trains root and pose estimation of the paper's size once and prints its seconds and GiB.
"""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Callable
from types import SimpleNamespace

import torch

ROUNDS = 7
# Boxes of four people in cells, and their depths in metres.
PEOPLE = [(45, 75, 4.0), (85, 115, 5.0), (125, 155, 6.0), (165, 195, 4.5)]
FOCAL, SIZE = 1400.0, (1920.0, 1080.0)


def milliseconds(work: Callable[[], object]) -> float:
    """Return the least of some rounds, after one that counts not."""
    work()
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return 1000 * min(seconds)


@torch.no_grad()
def ours() -> dict[str, Callable[[], object]]:
    from poseplug.core.geometry.camera import Camera
    from poseplug_virtualpose.maps import Maps, cells_of
    from poseplug_virtualpose.voxels.peaks import peaks
    from poseplug_virtualpose.voxels.projection import HeatTable, gated_volume, naive_volume
    from poseplug_virtualpose.voxels.soft_argmax import soft_argmax
    from poseplug_virtualpose.voxels.space import Boxes3D, Grid
    from poseplug_virtualpose.voxels.v2v import V2V

    camera = Camera.shared(1, (FOCAL, FOCAL), (SIZE[0] / 2, SIZE[1] / 2), SIZE)
    letterbox, focal = cells_of(camera, 128, 240)
    maps = Maps(torch.rand(1, 15, 128, 240), torch.zeros(1, 4, 128, 240), letterbox, focal)
    edges, depth = torch.zeros(1, 10, 4), torch.zeros(1, 10)
    for slot, (left, right, deep) in enumerate(PEOPLE):
        edges[0, slot], depth[0, slot] = torch.tensor([left, 30.0, right, 110.0]), deep
    middle, zero = torch.tensor([[0.0, 0.0, 5.0]]), torch.zeros(1, dtype=torch.int64)
    boxes = Boxes3D.about(middle, camera, letterbox)
    space, cube = Grid((8.0, 2.4, 8.0), (80, 24, 80)), Grid((2.0, 2.0, 2.0), (64, 64, 64))
    roots, poses = V2V(15, 1).eval(), V2V(15, 15).eval()
    wide = gated_volume(HeatTable(maps), boxes, space, edges, depth)
    fine = naive_volume(HeatTable(maps), boxes, cube, zero)
    scores = torch.rand(1, 80, 24, 80)
    return {
        "REN volume": lambda: gated_volume(HeatTable(maps), boxes, space, edges, depth),
        "PEN volume": lambda: naive_volume(HeatTable(maps), boxes, cube, zero),
        "V2V of REN": lambda: roots(wide),
        "V2V of PEN": lambda: poses(fine),
        "peaks": lambda: peaks(scores, space, 10),
        "soft-argmax": lambda: soft_argmax(fine, cube),
    }


def theirs(code: str) -> dict[str, Callable[[], object]]:
    """Return the released code's layers on the same sizes; what they import and do not need is made up."""
    import numpy as np

    def affine(source: object, target: object) -> object:
        corners = np.c_[np.asarray(source, float), np.ones(3)]
        return np.linalg.solve(corners, np.asarray(target, float)).T

    sys.modules["cv2"] = types.SimpleNamespace(getAffineTransform=affine)  # type: ignore[assignment]
    sys.path.insert(0, code)
    from virtualpose.core.filter import nms  # type: ignore[import-not-found]
    from virtualpose.models.pose_estimation_net import SoftArgmaxLayer  # type: ignore[import-not-found]
    from virtualpose.models.project_layer import ProjectLayer  # type: ignore[import-not-found]
    from virtualpose.models.v2v_net import V2VNet  # type: ignore[import-not-found]

    nodes, size, centre = [80, 80, 24], [8000.0, 8000.0, 2400.0], [0.0, 0.0, 1100.0]
    network = SimpleNamespace(IMAGE_SIZE=[960, 512], HEATMAP_SIZE=[240, 128], BETA=100.0)
    space = SimpleNamespace(SPACE_SIZE=size, INITIAL_CUBE_SIZE=nodes, SPACE_CENTER=centre)
    settings = SimpleNamespace(NETWORK=network, ROOT_ESTIMATION=space)
    layer, soft = ProjectLayer(settings), SoftArgmaxLayer(settings)
    rotation = torch.tensor([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    camera = {"R": rotation[None], "T": torch.tensor([[[0.0], [-5000.0], [1100.0]]])}
    camera |= {name: torch.tensor([FOCAL]) for name in ("fx", "fy")}
    camera |= {"cx": torch.tensor([960.0]), "cy": torch.tensor([540.0])}
    camera |= {"k": torch.zeros(1, 3, 1), "p": torch.zeros(1, 2, 1)}
    unit = FOCAL * 512 / 1080
    meta = {"center": np.array([[960.0, 540.0]]), "scale": np.array([[10.125, 5.4]])}
    meta |= {"camera": camera, "depth_norm_factor": torch.tensor([unit])}
    boxes, depths = torch.zeros(1, 10, 4), -torch.ones(1, 10, 1)
    for slot, (left, right, deep) in enumerate(PEOPLE):
        boxes[0, slot] = torch.tensor([left, 30.0, right, 110.0])
        depths[0, slot] = 1000 * deep / unit
    maps, root = torch.rand(1, 15, 128, 240), torch.tensor([[0.0, 0.0, 1000.0, 0.0, 1.0]])
    roots, poses = V2VNet(15, 1).eval(), V2VNet(15, 15).eval()
    wide, _ = layer(maps, meta, size, [centre], nodes, boxes, depths)
    fine, grid = layer(maps, meta, [2000.0] * 3, root, [64] * 3)
    scores = torch.rand(1, *nodes)
    return {
        "REN volume": lambda: layer(maps, meta, size, [centre], nodes, boxes, depths),
        "PEN volume": lambda: layer(maps, meta, [2000.0] * 3, root, [64] * 3),
        "V2V of REN": lambda: roots(wide),
        "V2V of PEN": lambda: poses(fine),
        "peaks": lambda: nms(scores, 10),
        "soft-argmax": lambda: soft(fine, grid),
    }


def step(scenes: int, chunk: int) -> tuple[float, float]:
    """Return the seconds and the most GiB of one training step of scenes with four people, on the CPU."""
    import resource

    from poseplug.core.interfaces import BuildContext
    from poseplug_datasets.builtin import Builtin, BuiltinSettings
    from poseplug_virtualpose.agr.rendered import RenderedMaps, RenderedMapsSettings
    from poseplug_virtualpose.pen import PEN, PENConfig
    from poseplug_virtualpose.roots.ren import REN, RENConfig
    from poseplug_virtualpose.scenes.virtual_scenes import VirtualScenes, VirtualScenesSettings

    people = Builtin(BuiltinSettings(), BuildContext())
    settings = VirtualScenesSettings(outside="keep")
    batch = VirtualScenes(settings, BuildContext(reference=people)).sample(scenes, torch.Generator().manual_seed(0))
    context = BuildContext(skeleton=batch.skeleton)
    inputs = {"joints_2d": batch.joints_2d, "scene": batch.scene_rows, "scenes": batch.places}
    maps = RenderedMaps(RenderedMapsSettings(), context).provide(batch, **inputs)
    ren, pen = REN(RENConfig(), context), PEN(PENConfig(chunk=chunk), context)
    began = time.perf_counter()
    found = ren(maps=maps, scenes=batch.places)
    sum(ren.loss(found, batch, maps=maps, scenes=batch.places).values()).backward()
    del found
    joints = pen(None, maps=maps, roots=batch.root, scene=batch.scene_rows, camera=batch.camera)
    (joints - batch.root_relative).abs().mean().backward()
    return time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "step":
        print(*step(int(arguments[0]), int(arguments[1])))
    else:
        torch.set_num_threads(int(arguments[0]))
        torch.manual_seed(0)
        with torch.no_grad():
            for name, work in (ours() if what == "ours" else theirs(arguments[1])).items():
                print(f"{name}: {milliseconds(work)}")
