"""Random poses with every field that a posefile holds, and whether two records of poses are equal."""

import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.data.stored_poses import BESIDE, CAMERA, OPTIONAL, About, StoredPoses
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.skeleton import Skeleton

PAIR = Skeleton("pair", ("a", "b"), ("", "a"), pairs=(), rest={"b": (0.0, 1.0, 0.0)})
NAMES = {"subject": ("ada", "bob"), "action": ("sit", "run", "jump")}


def poses(n, skeleton=PAIR, seed=0, cameras=3, without=(), names=NAMES):
    """Random poses with every field, but for some; seen by so many cameras."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator)

    def below(limit, dtype=torch.int64):
        return torch.randint(limit, (n,), generator=generator).to(dtype)

    joints = skeleton.num_joints
    shapes = {"focal": (2,), "centre": (2,), "size": (2,), "distortion": (5,), "rotation": (3, 3), "position": (3,)}
    known = {name: random(cameras, *shape) for name, shape in shapes.items() if name not in without}
    camera = Camera(**known).select(below(cameras))
    fields = {
        "joints_3d": random(n, joints, 3),
        "scene": below(1 << 40),
        "weight": random(n),
        "origin": below(3, torch.uint8),
        "extent": random(n),
    }
    batch = PoseBatch(
        skeleton,
        random(n, joints, 2),
        camera,
        labels={name: below(len(classes)) for name, classes in names.items()},
        **{name: value for name, value in fields.items() if name not in without},
    )
    beside = {"confidence": random(n, joints).abs(), "frame": below(1 << 40), "track": below(9) - 1}
    return StoredPoses(batch, **{name: value for name, value in beside.items() if name not in without})


def same(one, other):
    """Whether two records of poses are equal to the last bit."""
    assert one.poses.skeleton == other.poses.skeleton
    assert one.poses.labels.keys() == other.poses.labels.keys()
    pairs = [(getattr(one.poses, name), getattr(other.poses, name)) for name in ("joints_2d", *OPTIONAL)]
    pairs += [(getattr(one.poses.camera, name), getattr(other.poses.camera, name)) for name in CAMERA]
    pairs += [(getattr(one, name), getattr(other, name)) for name in BESIDE]
    pairs += [(one.poses.labels[name], other.poses.labels[name]) for name in one.poses.labels]
    for a, b in pairs:
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            assert a.numpy().tobytes() == b.numpy().tobytes()
    return True


def about(skeleton=PAIR, names=NAMES, **facts):
    return About(skeleton=skeleton, label_names=names, **facts)
