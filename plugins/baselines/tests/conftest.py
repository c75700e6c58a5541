import pytest
import torch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.layouts import H36M_16, H36M_17
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.geometry.viewpoints import ViewRange
from poseplug.core.interfaces import BuildContext
from poseplug_baselines.mlp import MLP
from poseplug_baselines.semgcn import SemGCN
from poseplug_baselines.stgcn import STGCN
from poseplug_baselines.videopose import VideoPose

# The root stands in the middle of the order, and a parent follows its child.
TOY = Skeleton(
    name="toy",
    joints=("left", "tip", "root", "right", "top"),
    parents=("root", "top", "", "root", "root"),
    pairs=(("left", "right"),),
)
# A root with two chains of three on each side of a column, no parts: 21 joints.
TREE = Skeleton(
    name="tree",
    joints=tuple(f"j{i}" for i in range(21)),
    parents=("", *(f"j{(i - 1) // 2 if i < 9 else i - 4}" for i in range(1, 21))),
    centre="j1",
)
SKELETONS = {"h36m16": H36M_16, "h36m17": H36M_17, "toy": TOY, "tree": TREE}
LIFTERS = {"mlp": MLP, "videopose": VideoPose, "semgcn": SemGCN, "stgcn": STGCN}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(1)


@pytest.fixture(params=sorted(LIFTERS))
def name(request):
    """Each lifter in turn."""
    return request.param


@pytest.fixture(params=SKELETONS, ids=list(SKELETONS))
def skeleton(request):
    """Usual and unusual skeletons in turn."""
    return SKELETONS[request.param]


@pytest.fixture
def toy():
    return TOY


@pytest.fixture
def tree():
    return TREE


@pytest.fixture
def build():
    def make(name, skeleton=H36M_16, **settings):
        cls = LIFTERS[name]
        return cls(cls.Config(**settings), BuildContext(skeleton=skeleton))

    return make


@pytest.fixture
def poses(generator):
    """Poses that differ, one or two metres tall, before cameras with extrinsics; 2D carries noise."""

    def make(n, skeleton=H36M_16):
        world = torch.randn(n, skeleton.num_joints, 3, generator=generator) * 0.3 + torch.tensor([0.1, 0.9, -0.2])
        camera = ViewRange().sample(n, generator)
        batch = PoseBatch.seen(skeleton, camera.world_to_camera(world), camera)
        batch.joints_2d.add_(torch.randn(batch.joints_2d.shape, generator=generator))
        return batch

    return make


@pytest.fixture
def warmed():
    """Gives lifters in inference, with batch statistics and shortcuts that are not those of the start."""
    return _warmed


def _warmed(lifter):
    generator = torch.Generator().manual_seed(2)
    for module in lifter.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(generator=generator).mul_(0.1)
            module.running_var.uniform_(0.5, 2, generator=generator)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            torch.nn.init.normal_(module.bias, 0, 0.1, generator=generator)
    return lifter.eval()
