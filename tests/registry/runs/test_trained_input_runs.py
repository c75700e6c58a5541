"""Two runs, as VirtualPose has it: one trains an input alone, the other starts from it and trains those who read it."""

import attrs
import pytest
import torch
from scene_parts import Drawn, FlatPairs, Learning, MapFinder, MapLifter, Pairs
from toys import LinearLifter, MeanRoot, StarSource, star_batch

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.storage.tensor_file import from_under, load_tensors
from poseplug.registry.discovery.catalogue import Entry, load_catalogue
from poseplug.registry.export.export import export_run
from poseplug.registry.runs.build import SeedsApart, build
from poseplug.registry.runs.context import run_context
from poseplug.registry.runs.execute import execute
from poseplug.registry.runs.plan import make_plan
from poseplug.registry.runs.saved_model import open_run

CPU = torch.device("cpu")


class Plain(LinearLifter):
    def __init__(self, config, context):
        super().__init__(context=context)


class Stars(PoseTable):
    """A few people, each alone."""

    def __init__(self, config, context):
        super().__init__(star_batch(8, torch.Generator().manual_seed(5)))


class MapRoot(MeanRoot):
    """Everybody is where the maps of the scene say."""

    reads = frozenset({"maps", "scene"})

    def forward(self, *, maps, scene):
        return self.where + maps[scene, :3]


PARTS = {
    "source": {"pairs": Pairs, "flat": FlatPairs, "stars": Stars, "star": StarSource},
    "lifter": {"map": MapLifter, "plain": Plain},
    "root": {"maproot": MapRoot, "finder": MapFinder},
    "input": {"maps": Drawn, "backbone": Learning},
}
ENTRIES = [
    Entry(kind, name, f"{__name__}:{part.__name__}", "", "", "toys")
    for kind, parts in PARTS.items()
    for name, part in parts.items()
]
SHORT = {"steps": 6, "batch_size": 8, "eval": {"stars": {"name": "stars"}}, "checkpoint_every": 3}
ALONE = [{"name": "alone", "share": 1.0, "trains": ["input"]}]


@pytest.fixture(scope="module")
def catalogue():
    found = load_catalogue()
    others = (entry for entry in found.entries if entry.distribution != "poseplug-virtualpose")  # has such names too
    return attrs.evolve(found, entries=(*others, *ENTRIES))


def plan(catalogue, lifter="plain", source="pairs", given="", root="", **more):
    said = {"source": [{"name": source}], "lifter": {"name": lifter}, **SHORT, **more}
    named = [{"name": name} for name in given.split()]
    return make_plan({**said, "input": named, **({"root": {"name": root}} if root else {})}, catalogue)


@pytest.fixture(scope="module")
def backbone(catalogue, tmp_path_factory):
    """A run that has trained the input alone, on 2D."""
    directory = RunDirectory(tmp_path_factory.mktemp("runs") / "backbone")
    made = plan(catalogue, source="flat", given="backbone", phase=ALONE)
    return directory, execute(made, catalogue, CPU, directory)


def stored(directory):
    return from_under("model", load_tensors(directory.model)[0])


def test_an_input_is_trained_alone_on_2d_and_stored(catalogue, backbone):
    directory, result = backbone
    _, model = open_run(directory, catalogue, CPU)
    layer = stored(directory)["inputs.networks.backbone.layer.weight"]
    assert torch.equal(model.inputs.providers["backbone"].layer.weight, layer)
    assert int(model.inputs.providers["backbone"].norm.num_batches_tracked) == 6
    assert result["components"]["input"] == "backbone"
    # People were counted, two in each scene, and there was nothing else.
    assert result["poses_per_second"] == pytest.approx(6 * 8 * 2 / result["seconds"], rel=0.05)
    torch.manual_seed(0)
    assert torch.equal(
        model.lifter.flat.weight, Plain(None, run_context(catalogue, skeleton=model.skeleton)).flat.weight
    )


def test_another_run_takes_it_and_trains_those_who_read_it(catalogue, backbone, tmp_path):
    directory, _ = backbone
    taken = {"pretrained": str(directory.path), "pretrained_parts": ["input:backbone"]}
    phases = [{"name": "readers", "share": 1.0, "trains": ["lifter", "root"]}]
    second = RunDirectory(tmp_path / "second")
    made = plan(catalogue, "map", given="backbone maps", root="maproot", phase=phases, **taken)
    execute(made, catalogue, CPU, second)
    before, after = stored(directory), stored(second)
    name = "inputs.networks.backbone."
    same = {key for key in after if key.startswith(name)}
    assert len(same) == 7
    assert all(torch.equal(before[key], after[key]) for key in same)
    moved = run_context(catalogue, skeleton=open_run(second, catalogue, CPU)[1].skeleton)
    torch.manual_seed(0)
    assert not torch.equal(MapLifter(None, moved).layer.weight, after["lifter.layer.weight"])
    # The order of providers is nothing that names depend on.
    third = RunDirectory(tmp_path / "third")
    again = {"pretrained": str(second.path), "pretrained_parts": ["input:backbone", "lifter"]}
    execute(plan(catalogue, "map", given="maps backbone", lr=1e-12, **again), catalogue, CPU, third)
    torch.testing.assert_close(stored(third)["lifter.layer.weight"], after["lifter.layer.weight"])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "'pretrained': the model in '.*backbone' is not like this run's"),
        (
            ["input:backbon"],
            "the model in '.*backbone' has nothing to take for 'input:backbon'; it has input:backbone, l",
        ),
        (["root"], "the model in '.*backbone' has nothing to take for 'root'"),
        (["lifter"], "'pretrained': the model in '.*backbone' is not like this run's"),
    ],
)
def test_parts_that_cannot_be_taken_are_refused(catalogue, backbone, tmp_path, parts, message):
    made = plan(
        catalogue, "map", given="maps", root="maproot", pretrained=str(backbone[0].path), pretrained_parts=parts
    )
    with pytest.raises(PoseplugError, match=message):
        execute(made, catalogue, CPU, RunDirectory(tmp_path / "refused"))
    assert not (tmp_path / "refused").exists()


def test_parts_of_no_run_are_refused(catalogue, tmp_path):
    with pytest.raises(PoseplugError, match="'pretrained_parts' says what to take of a run; name that run with --from"):
        execute(plan(catalogue, pretrained_parts=["lifter"]), catalogue, CPU, RunDirectory(tmp_path / "run"))


@pytest.mark.parametrize("reader", ["lifter", "root"])
def test_a_run_whose_parts_see_whole_scenes_is_not_exported(catalogue, tmp_path, reader):
    parts = {"lifter": "map"} if reader == "lifter" else {"root": "maproot"}
    directory = RunDirectory(tmp_path / "run")
    execute(plan(catalogue, given="backbone", **parts), catalogue, CPU, directory)
    called = {"lifter": "the lifter", "root": "the root estimator"}[reader]
    with pytest.raises(
        PoseplugError, match=f"cannot be exported: {called} reads 'maps', which is made of whole scenes"
    ):
        export_run(directory, catalogue, tmp_path / "out.pt2")
    assert not (tmp_path / "out.pt2").exists()


def test_seeds_side_by_side_are_refused_beside_it(catalogue):
    with pytest.raises(SeedsApart, match="input 'backbone' is trained too"):
        build(plan(catalogue, given="backbone", phase=ALONE, seeds=2), catalogue, CPU)


def test_who_searches_is_no_model_for_people_who_are_given(catalogue, tmp_path):
    directory = RunDirectory(tmp_path / "run")
    execute(plan(catalogue, "map", given="maps", root="finder"), catalogue, CPU, directory)
    with pytest.raises(PoseplugError, match="searches scenes for people, and here people are given"):
        run_context(catalogue).open_model(str(directory.path))
    _, model = open_run(directory, catalogue, CPU)
    batch = Pairs().sample(3, torch.Generator().manual_seed(0))
    alone = PoseBatch(batch.skeleton, batch.joints_2d, batch.camera, batch.joints_3d)
    with torch.no_grad():
        assert len(model.find(batch)) == 6
        assert len(model.find(alone)) == 12
