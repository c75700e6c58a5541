"""Images of stick figures whose joints are known, and servers to annotate them with."""

import json
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
import torch

from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.layouts import H36M_17

FOCAL, SIZE = 700.0, (640, 480)
COLOURS = {"left": (46, 111, 149), "right": (209, 73, 91), "": (60, 60, 60)}


def figures(walking, n):
    """Return n poses [n, 17, 3] in the camera frame, metres, and where ``camera(n)`` sees them, [n, 17, 2]."""
    some = walking.joints_3d[:: len(walking) // n][:n]
    poses = map_layout(walking.skeleton, H36M_17)(some)
    poses = poses - poses[:, :1] + torch.tensor([0.0, 0.0, 3.0])
    return poses, camera(n).project(poses)


def camera(n):
    return Camera.shared(n, (FOCAL, FOCAL), (SIZE[0] / 2, SIZE[1] / 2), SIZE)


def draw(folder, pixels):
    """Write an image of each person; return the folder."""
    image_kind = pytest.importorskip("PIL.Image")
    from PIL import ImageDraw

    folder.mkdir()
    for number, joints in enumerate(pixels.tolist()):
        image = image_kind.new("RGB", SIZE, (225, 228, 232))
        pen = ImageDraw.Draw(image)
        for (start, end), side in zip(H36M_17.bones, H36M_17.bone_sides, strict=True):
            pen.line([*joints[start], *joints[end]], fill=COLOURS[side], width=8)
        image.save(folder / f"figure-{number}.png")
    return folder


@contextmanager
def serving(images, out, port=0, **options):
    """Serve a session; give the server."""
    from poseplug.registry.annotation.opening import open_session
    from poseplug.registry.annotation.server import AnnotationServer
    from poseplug.registry.discovery.catalogue import load_catalogue

    opened = open_session([Path(images)], Path(out), load_catalogue(), **({"focal": FOCAL} | options))
    try:
        with AnnotationServer(opened.session, port) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()
    finally:
        opened.folder.close()


def ask(address, path, body=None, headers=None):
    """Return status and answer: JSON as what it says, anything else as bytes. ``body`` is sent as JSON, or as it is."""
    _, _, host, token, _ = address.split("/")
    connection = HTTPConnection(host, timeout=20)
    try:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", f"/{token}/{path}", content, headers or {})
        answer = connection.getresponse()
        told = answer.read()
        return answer.status, json.loads(told) if answer.headers["Content-Type"] == "application/json" else told
    finally:
        connection.close()


def person(pixels, **changed):
    """Return somebody whose joints [17, 2] are all seen, as the page tells of them."""
    joints = [[round(x, 2), round(y, 2)] for x, y in pixels.tolist()]
    return {"joints": joints, "seen": [2] * len(joints), "pose": None, "by_hand": False} | changed


def message(people, version=0, sequence=1, writer="a tab", **changed):
    return {
        "people": people, "focal": FOCAL, "done": False,
        "version": version, "writer": writer, "sequence": sequence,
    } | changed  # fmt: skip
