"""Drawn scenes: people where their joints are, nearer ones before others, equal generators equal images."""

import attrs
import torch
from canvases import SKELETON, cameras, people, scenes_of

from poseplug_virtualpose.backbone.figures import draw_scenes


def drawn(batch, canvas=(64, 120), seed=0):
    return draw_scenes(batch, *canvas, torch.Generator().manual_seed(seed))


def test_people_are_drawn_where_their_bones_are():
    pixels = people(2, torch.Generator().manual_seed(0), side=400.0)
    batch = scenes_of(pixels, [0, 2], 3)
    images, empty = drawn(batch), drawn(scenes_of(pixels[:0], [], 3))
    assert images.shape == (3, 3, 64, 120)
    assert images.dtype == torch.uint8
    assert torch.equal(images, drawn(batch))
    # Noise is drawn after the people, so it differs a little everywhere.
    changed = (images.int() - empty.int()).abs().float().mean(1)
    assert changed[1].max() < 40
    places = pixels[0] * 120 / 1920 - 0.5
    middles = torch.stack([(places[a] + places[b]) / 2 for a, b in SKELETON.bones]).round().long()
    middles = middles[((middles >= 0) & (middles < torch.tensor([120, 64]))).all(1)]
    assert len(middles) > 8
    on_bones = changed[0, middles[:, 1], middles[:, 0]]
    assert on_bones.mean() > 4 * changed[1].mean()


def test_who_is_nearer_stands_before_others():
    one = people(1, torch.Generator().manual_seed(0), side=500.0)
    both = one.expand(2, -1, -1).clone()
    depth = torch.zeros(2, 15, 3) + torch.tensor([[[0.0, 0, 3.0]], [[0.0, 0, 6.0]]])
    camera = cameras(1)
    front = drawn(scenes_of(both, [0, 0], 1, camera, joints_3d=depth))
    back = drawn(scenes_of(both, [0, 0], 1, camera, joints_3d=depth.flip(0)))
    # The same two people, drawn in either order: whoever is in front has another shirt.
    assert (front.int() - back.int()).abs().max() > 60
    swapped = scenes_of(both, [0, 0], 1, camera, joints_3d=depth + torch.tensor([0, 0, 1.0]))
    assert torch.equal(front, drawn(swapped))


def test_what_is_no_number_and_what_is_beside_the_picture_stays_empty():
    pixels = people(1, torch.Generator().manual_seed(1), side=300.0)
    pixels[:] = torch.nan
    batch = scenes_of(pixels, [0], 1, camera=cameras(1, size=(500.0, 500.0)))
    image = drawn(batch)
    assert not image[..., :28].any()
    assert not image[..., 92:].any()
    assert image[..., 30:90].float().mean() > 20
    far = attrs.evolve(batch, joints_2d=torch.full_like(pixels, 1e30))
    assert drawn(far).shape == (1, 3, 64, 120)
