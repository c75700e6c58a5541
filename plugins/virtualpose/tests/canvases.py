"""Scenes of people whose key points are wherever a test wants them, and maps drawn one cell at a time."""

import math

import numpy as np
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.interfaces import BuildContext
from poseplug_virtualpose.agr.rendered import RenderedMaps, RenderedMapsSettings

SKELETON = LAYOUTS["panoptic15"]


def cameras(scenes, size=(1920.0, 1080.0), focal=1400.0):
    return Camera.shared(scenes, (focal, focal), (size[0] / 2, size[1] / 2), size)


def scenes_of(joints_2d, scene, scenes, camera=None, skeleton=SKELETON, joints_3d=None):
    """People [N, J, 2] in scenes [N], in pixels."""
    camera = cameras(scenes) if camera is None else camera
    scene = torch.as_tensor(scene, dtype=torch.int64)
    most = int(torch.bincount(scene, minlength=1).max()) if len(scene) else 1
    places = Scenes(camera, most=max(most, 1))
    return PoseBatch(skeleton, joints_2d, camera.select(scene), joints_3d, scene=scene, scenes=places)


def people(n, generator, side=300.0, size=(1920.0, 1080.0), skeleton=SKELETON):
    """Key points [n, J, 2] in pixels of n people who are in the picture with their roots."""
    root = (0.2 + 0.6 * torch.rand(n, 1, 2, generator=generator)) * torch.tensor(size)
    joints = root + side / 4 * torch.randn(n, skeleton.num_joints, 2, generator=generator)
    joints[:, skeleton.root] = root[:, 0]
    return joints


def provider(skeleton=SKELETON, **settings):
    return RenderedMaps(RenderedMapsSettings(**settings), BuildContext(skeleton=skeleton))


def rendered(batch, **settings):
    return provided(provider(batch.skeleton, **settings), batch)


def provided(made_by, batch, **further):
    return made_by.provide(batch, joints_2d=batch.joints_2d, scene=batch.scene_rows, scenes=batch.places, **further)


def slow_heatmaps(places, scene, scenes, height, width, truncate=False):
    """The maps of places [N, J, 2] in cells, cell by cell, in NumPy."""
    places = np.asarray(places, np.float64)
    maps = np.zeros((scenes, places.shape[1], height, width))
    for person, of in zip(places, scene, strict=True):
        ratio = min(1.0, width / 240)
        side = np.clip(np.ptp(person, axis=0).max(), 48 * ratio, 192 * ratio)
        sigma = max(1.0, 3 * math.sqrt(2 * side**2 / 96**2))
        for joint, (x, y) in enumerate(person):
            if truncate:
                x, y = math.floor(x) + 0.5, math.floor(y) + 0.5
            for i in range(max(0, int(y - 27)), min(height, int(y + 28))):
                for j in range(max(0, int(x - 27)), min(width, int(x + 28))):
                    dx, dy = j + 0.5 - x, i + 0.5 - y
                    if max(abs(dx), abs(dy)) <= 3 * sigma:
                        value = math.exp(-(dx * dx + dy * dy) / (2 * sigma * sigma))
                        maps[of, joint, i, j] = max(maps[of, joint, i, j], value)
    return maps
