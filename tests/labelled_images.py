"""Small labelled images: each joint a spot of its own colour, labels as COCO's."""

import json

import torch
from PIL import Image

from poseplug.core.geometry.layouts import LAYOUTS


def write_labelled(folder, n, size=(60, 50), seed=0, layout="coco17"):
    """Write n images of one person each, and people.json beside them; return joints [n, J, 2] in pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    count, (height, width) = LAYOUTS[layout].num_joints, size
    colours = torch.linspace(0.1, 1, 3 * count).view(count, 3)
    joints = 5 + torch.rand(n, count, 2, generator=generator) * torch.tensor([width - 10.0, height - 10.0])
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    annotations = []
    for number in range(n):
        spots = torch.exp(
            -((x - joints[number, :, 0, None, None]) ** 2 + (y - joints[number, :, 1, None, None]) ** 2) / 6
        )
        pixels = torch.einsum("jhw,jc->hwc", spots, colours).clamp(0, 1) * 255
        Image.fromarray(pixels.to(torch.uint8).numpy()).save(folder / f"{number:03}.png")
        marked = [value for x_y in joints[number].tolist() for value in (*x_y, 2)]
        box = [0, 0, width, height]
        annotations.append({"id": number, "image_id": number, "category_id": 1, "keypoints": marked, "bbox": box})
    images = [{"id": n, "file_name": f"{n:03}.png", "width": width, "height": height} for n in range(n)]
    labels = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (folder / "people.json").write_text(json.dumps(labels))
    return joints
