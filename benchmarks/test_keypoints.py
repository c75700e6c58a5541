"""Reading key points: pytest benchmarks/test_keypoints.py. Megabytes of the file a second, all the way to tensors.

The peak of what Python and NumPy allocate is that of a second, slower reading.
"""

import tracemalloc

import pytest
from keypoint_files import (
    COCO_JOINTS,
    crowd,
    write_alphapose,
    write_coco_annotations,
    write_coco_results,
    write_csv,
    write_mediapipe,
    write_mmpose,
    write_npz,
    write_openpose,
)

from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.keypoints.open_keypoints import open_keypoints

PEOPLE = 20_000
SIZE = (640, 480)
WRITERS = {
    "coco annotations": (17, write_coco_annotations),
    "coco results": (17, write_coco_results),
    "openpose": (25, write_openpose),
    "alphapose": (17, write_alphapose),
    "mmpose": (17, write_mmpose),
    "mediapipe": (33, lambda path, people: write_mediapipe(path, people, SIZE)),
    "csv": (17, lambda path, people: write_csv(path, people, COCO_JOINTS)),
    "csv long": (17, lambda path, people: write_csv(path, people, COCO_JOINTS, long=True)),
    "npz": (17, write_npz),
}


def read(path):
    skeleton = None if path.is_dir() or path.name not in ("csv long", "npz") else LAYOUTS["coco17"]
    return sum(len(found) for found in open_keypoints(path, skeleton=skeleton, size=SIZE).chunks())


@pytest.mark.parametrize("name", WRITERS)
def test_read(benchmark, tmp_path, name):
    joints, write = WRITERS[name]
    path = write(tmp_path / name, crowd(joints, PEOPLE))
    size = sum(file.stat().st_size for file in (path.iterdir() if path.is_dir() else [path]))
    assert benchmark.pedantic(read, (path,), rounds=3, warmup_rounds=1) == PEOPLE
    benchmark.extra_info["MB/s"] = round(size / 1e6 / benchmark.stats.stats.median, 1)
    benchmark.extra_info["people/s"] = round(PEOPLE / benchmark.stats.stats.median)
    tracemalloc.start()
    read(path)
    benchmark.extra_info["peak MB"] = round(tracemalloc.get_traced_memory()[1] / 1e6, 1)
    tracemalloc.stop()
