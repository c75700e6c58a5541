"""Scenes of standing people with maps that are drawn cell by cell, and contexts: what tests of volumes share."""

import math

import attrs
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.scenes import Scenes
from poseplug.core.geometry.camera import Camera, look_at
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext
from poseplug_virtualpose.maps import Maps, cells_of

CONTEXT = BuildContext(skeleton=H36M_16)
ROOT = H36M_16.root
_BODY = {
    "Hip": (0, 0.95, 0),
    "Spine": (0, 1.2, 0),
    "Thorax": (0, 1.45, 0),
    "Head": (0, 1.65, 0.05),
    "RHip": (-0.13, 0.93, 0),
    "RKnee": (-0.14, 0.5, 0.05),
    "RFoot": (-0.15, 0.08, 0),
    "LHip": (0.13, 0.93, 0),
    "LKnee": (0.14, 0.5, 0.02),
    "LFoot": (0.15, 0.08, 0),
    "LShoulder": (0.17, 1.4, 0),
    "LElbow": (0.25, 1.15, 0.05),
    "LWrist": (0.28, 0.95, 0.2),
    "RShoulder": (-0.17, 1.4, 0),
    "RElbow": (-0.3, 1.2, 0.1),
    "RWrist": (-0.4, 1.35, 0.25),
}


def camera_of(scenes, *, azimuth=0.3, elevation=0.15, distance=5.0):
    """Return cameras about the middle of the scenes; each a little further round than the one before."""
    turn = azimuth + 0.4 * torch.arange(scenes)
    rotation, position = look_at(
        turn, torch.full((scenes,), elevation), torch.full((scenes,), distance), torch.tensor([0.0, 1.0, 0.0])
    )
    camera = Camera.shared(scenes, (1100.0, 1120.0), (950.0, 545.0), (1920.0, 1080.0))
    return attrs.evolve(camera, rotation=rotation, position=position)


def standing(places, *, turns=None, camera=None):
    """Return people on the ground at places [S][P] of (x, z), each turned about the vertical."""
    most = max(map(len, places))
    rows = [(scene, *place) for scene, scene_places in enumerate(places) for place in scene_places]
    scene = torch.tensor([row[0] for row in rows])
    body = torch.tensor([_BODY[name] for name in H36M_16.joints])
    camera = camera_of(len(places)) if camera is None else camera
    joints = []
    for number, (_, x, z) in enumerate(rows):
        angle = 0.7 * number if turns is None else turns[number]
        turn = torch.tensor([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
        joints.append(body @ turn.T + torch.tensor([x, 0.0, z]))
    of_people = camera.select(scene)
    batch = PoseBatch.seen(H36M_16, of_people.world_to_camera(torch.stack(joints)), of_people, scene=scene)
    return attrs.evolve(batch, scenes=Scenes(camera, most=most))


def true_maps(batch, height=128, width=240, sigma=2.5):
    """Return what a perfect network would say of a batch: one Gaussian after the other, boxes painted about roots."""
    places = batch.places
    letterbox, focal = cells_of(places.camera, height, width)
    cells = letterbox.place(batch.joints_2d, batch.scene_rows)
    heat = torch.zeros(len(places), batch.skeleton.num_joints, height, width)
    boxes = torch.zeros(len(places), 4, height, width)
    rows, columns = torch.arange(height)[:, None] + 0.5, torch.arange(width)[None] + 0.5
    for person, scene in enumerate(batch.scene_rows.tolist()):
        for joint, (x, y) in enumerate(cells[person].tolist()):
            drawn = torch.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma**2))
            heat[scene, joint] = torch.maximum(heat[scene, joint], drawn * (drawn > math.exp(-4.5)))
        low, high = cells[person].amin(0), cells[person].amax(0)
        margin = (high - low) * torch.tensor([0.25, 0.12])
        root = cells[person, batch.skeleton.root]
        edges = torch.cat([root - low + margin, high + margin - root])
        x, y = (int(v) for v in root)
        area = boxes[scene, :, max(0, y - 4) : y + 5, max(0, x - 4) : x + 5]
        area[:] = edges[:, None, None]
    return Maps(heat, boxes, letterbox, focal)
