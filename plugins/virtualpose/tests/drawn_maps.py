"""Maps of known people, drawn cell by cell: what networks that read maps are tested with."""

import attrs
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.models.inputs import standard_inputs
from poseplug_virtualpose.maps import Maps, cells_of

SIZE, FOCAL = (960.0, 512.0), (700.0, 700.0)


def scenes_of(joints_3d, per_scene, size=SIZE, focal=FOCAL):
    """Return people [N, 16, 3] in the camera frame, so many in each scene."""
    scenes = len(joints_3d) // per_scene
    cameras = Camera.shared(scenes, focal, (size[0] / 2, size[1] / 2), size)
    rows = torch.arange(len(joints_3d)) // per_scene
    batch = PoseBatch.seen(H36M_16, joints_3d, cameras.select(rows), scene=rows)
    return attrs.evolve(batch, scenes=Scenes(cameras, most=per_scene))


def maps_of(batch, height=32, width=60, sigma=1.0):
    """Return the heat maps of a batch: a bell where each joint is, of several people the larger."""
    places = batch.places
    letterbox, focal = cells_of(places.camera, height, width)
    at = letterbox.place(batch.joints_2d, batch.scene_rows)
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    heat = torch.zeros(len(places), at.shape[1], height, width)
    for person, scene in enumerate(batch.scene_rows.tolist()):
        away = (x - at[person, :, 0, None, None]).square() + (y - at[person, :, 1, None, None]).square()
        heat[scene] = torch.maximum(heat[scene], (-away / (2 * sigma**2)).exp())
    return Maps(heat, torch.zeros(len(places), 4, height, width), letterbox, focal)


def inputs_of(batch, names, **of_maps):
    """Return what an estimator reads of a batch."""
    made = {"maps": maps_of(batch, **of_maps)}
    return made | {name: standard_inputs()[name].provide(batch) for name in names - made.keys()}
