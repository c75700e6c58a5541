"""What whole scenes, finders, images and judges of 3D go with: refused when a run is planned, both parts named."""

import attrs
import pytest
import torch
from scene_parts import AroundRoots, Drawn, FlatPairs, Learning, MapFinder, MapLifter, Pairs
from toys import LinearConfig, LinearLifter, MeanRoot, StarSource

from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import InputProvider
from poseplug.core.settings import setting
from poseplug.registry.discovery.catalogue import Entry, load_catalogue
from poseplug.registry.runs.build import build
from poseplug.registry.runs.plan import make_plan


class Seeing(Learning):
    needs = frozenset({"image"})


class Pictures(Pairs):
    has_images = True


class Disappointing(Pictures):
    """Its class may have images, its data have none."""

    def __init__(self, config=None, context=None):
        self.has_images = False


@attrs.frozen(kw_only=True)
class ChoosyConfig:
    search: bool = setting(True, "whether it searches")
    of: str = setting("", "what it is made of", names="root")


class Choosy(MapFinder):
    """Searches if its settings say so; reads what the one in it reads."""

    Config = ChoosyConfig

    @classmethod
    def finds_with(cls, config):
        return config.search

    @classmethod
    def reads_with(cls, config, reads_of):
        return reads_of(config.of) if config.of else frozenset({"camera"})


class FoundPoints(MapFinder):
    finds_joints_2d = True


class Counting(LinearLifter):
    reads = frozenset({"found"})


class Rooted(LinearLifter):
    reads = frozenset({"roots"})


@attrs.frozen(kw_only=True)
class AroundConfig:
    inner: str = setting("map", "the lifter in it", names="lifter")


class Around(LinearLifter):
    """A lifter that is made of another, whose normalisation it has."""

    Config = AroundConfig

    def __init__(self, config, context):
        super().__init__(LinearConfig(), context)
        self.normalisation = context.build("lifter", config.inner).normalisation


class Unrelated(InputProvider):
    provides = "nonsense"

    def provide(self, batch, **inputs):
        return batch.root


PARTS = {
    "source": {"pairs": Pairs, "flat": FlatPairs, "pictures": Pictures, "poor": Disappointing, "star": StarSource},
    "lifter": {"map": MapLifter, "refined": AroundRoots, "rooted": Rooted, "counting": Counting, "around": Around},
    "root": {"finder": MapFinder, "choosy": Choosy, "points": FoundPoints, "mean": MeanRoot},
    "input": {"maps": Drawn, "backbone": Seeing, "unrelated": Unrelated},
}
ENTRIES = [
    Entry(kind, name, f"{__name__}:{part.__name__}", "", "", "toys")
    for kind, parts in PARTS.items()
    for name, part in parts.items()
]


@pytest.fixture(scope="module")
def catalogue():
    found = load_catalogue()
    others = (entry for entry in found.entries if entry.distribution != "poseplug-virtualpose")  # has such names too
    return attrs.evolve(found, entries=(*others, *ENTRIES))


def document(lifter="map", root="", given="", source="pairs", **more):
    named = [{"name": one} if isinstance(one, str) else one for one in (lifter, root)]
    said = {
        "source": [{"name": name} for name in source.split()],
        "eval": {"own": {"name": source.split()[0]}},
        "lifter": named[0],
        "input": [{"name": name} for name in given.split()],
    }
    return {**said, **({"root": named[1]} if root else {}), **more}


def phase(name, *trains, poses="drawn"):
    return {"name": name, "share": 1.0, "trains": list(trains), "poses": poses}


PICTURES = {"source": "pictures", "given": "backbone"}


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ({}, ["maps", "scene"]),
        ({"root": "finder"}, ["maps", "scene"]),
        ({"lifter": "rooted", "root": "points"}, ["maps"]),
        ({"lifter": "counting", "root": "points"}, ["maps"]),
        ({"root": "choosy"}, ["maps", "camera", "scene"]),
        (PICTURES, ["backbone", "scene"]),
        ({**PICTURES, "given": "backbone maps"}, ["backbone", "maps", "scene"]),
        ({"given": "maps backbone"}, ["maps", "backbone", "scene"]),
        ({"source": "pictures star", "given": "backbone maps"}, ["backbone", "maps", "scene"]),
        ({"lifter": "mlp", **PICTURES, "phase": [phase("alone", "input")]}, ["backbone"]),
        ({"phase": [phase("kept", "augmentor", poses="kept"), phase("own", "lifter")]}, ["maps", "scene"]),
        ({"lifter": "rooted", "root": "mean", "protocol": "poseaug-3dhp"}, ["camera", "joints_2d"]),
    ],
)
def test_what_goes_together_is_given_what_it_reads(catalogue, said, made):
    plan = make_plan(document(**said), catalogue)
    assert [part.name for part in plan.parts.several("input").values()] == made
    # Written down, it is planned alike.
    assert make_plan(plan.document, catalogue).document == plan.document


def test_reads_are_those_of_the_settings(catalogue):
    plan = make_plan(document("rooted", root={"name": "choosy", "of": "points", "search": False}), catalogue)
    assert [part.name for part in plan.parts.several("input").values()] == ["maps"]


MAPS = "which is made of whole scenes"
REFUSED = [
    ({"lifter": "rooted", "root": "finder"}, "Root estimator 'finder' finds people without key points, and lifter 'ro"),
    ({"lifter": "rooted"}, "Lifter 'rooted' reads predicted roots; add a root estimator with --root."),
    ({"lifter": "counting"}, "Lifter 'counting' reads people who were found; add a root estimator that searches"),
    ({"lifter": "counting", "root": "mean"}, "Lifter 'counting' reads people who were found; add a root estimator"),
    (
        {"phase": [phase("late", "lifter", poses="kept")]},
        f"Phase 'late' trains on kept poses, each of them alone, and lifter 'map' reads 'maps', {MAPS}",
    ),
    (
        {"lifter": "mlp", "root": "points", "projection": "orthographic"},
        f"projection=orthographic shows everybody alone, and root estimator 'points' reads 'maps', {MAPS}",
    ),
    (
        {"root": "finder", "protocol": "videopose3d"},
        "Protocol 'videopose3d' averages with mirrored images, which is not offered where people are searched for, and "
        "root estimator 'finder' searches",
    ),
    (
        {"given": "backbone"},
        "Lifter 'map' reads 'maps', which 'backbone' makes of images, and source 'pairs' gives non",
    ),
    (
        {"source": "pictures star", "given": "backbone"},
        "Lifter 'map' reads 'maps', which 'backbone' makes of images, and source 'pictures' with 'star' gives none",
    ),
    (
        {**PICTURES, "eval": {"plain": {"name": "pairs"}}},
        "Lifter 'map' reads 'maps', which 'backbone' makes of images, and evaluation 'plain' gives none",
    ),
    (
        {"lifter": "map", "objective": {"name": "reprojection"}},
        "Lifter 'map' reads 'maps', which 'maps' makes of 3D joints, and objective 'reprojection' gives none",
    ),
    (
        {"lifter": "mlp", "given": "backbone", "phase": [phase("alone", "input")]},
        "Input 'backbone' makes 'maps' of images, and source 'pairs' gives none",
    ),
    (
        {"lifter": "mlp", **PICTURES},
        "Input 'backbone' provides 'maps', which is read by nothing in this run; leave out",
    ),
    (
        {"lifter": "mlp", "given": "maps", "phase": [phase("alone", "input")]},
        "Input 'maps' is read by nothing in this run; leave out --input maps",
    ),
    ({"given": "unrelated"}, "Input 'unrelated' provides 'nonsense', which is read by nothing in this run"),
    ({"given": "maps toys:maps"}, "Two inputs of this run are called 'maps'; leave out one of them."),
    (
        {"source": "flat", "eval": {"own": {"name": "pairs"}}},
        "Objective 'supervised' learns from 3D joints, and source",
    ),
]


@pytest.mark.parametrize(("said", "message"), REFUSED)
def test_what_does_not_is_refused(catalogue, said, message):
    with pytest.raises(PoseplugError) as refused:
        make_plan(document(**said), catalogue)
    assert str(refused.value).startswith(message)


def test_who_could_provide_what_nobody_of_its_name_does_is_said(catalogue):
    fewer = attrs.evolve(catalogue, entries=tuple(e for e in catalogue.entries if e.target != f"{__name__}:Drawn"))
    with pytest.raises(PoseplugError, match="no input 'maps'.* backbone can: say --input backbone"):
        make_plan(document(), fewer)
    renamed = (*fewer.entries, Entry("input", "maps", f"{__name__}:Unrelated", "", "", "toys"))
    with pytest.raises(PoseplugError, match="Input 'maps' provides 'nonsense'. backbone can: say --input backbone"):
        make_plan(document(), attrs.evolve(fewer, entries=renamed))


def test_what_only_the_built_parts_tell_is_refused_then(catalogue):
    poor = make_plan(document(source="poor", given="backbone"), catalogue)
    with pytest.raises(PoseplugError, match="'backbone' makes of images, and source 'poor' gives none"):
        build(poor, catalogue, torch.device("cpu"))
    build(make_plan(document("around", root="finder"), catalogue), catalogue, torch.device("cpu"))
    keyed = make_plan(document({"name": "around", "inner": "mlp"}, root="finder"), catalogue)
    with pytest.raises(PoseplugError, match="'finder' finds people without key points, and lifter 'around' reads"):
        build(keyed, catalogue, torch.device("cpu"))


@pytest.mark.parametrize("judge", ["kcs_part", "joint_limits"])
def test_judges_of_3d_are_refused_where_only_key_points_are_shown(judge):
    said = {"discriminator": [{"name": judge}], "augmentor": [{"name": "poseaug"}]}
    message = f"Discriminator '{judge}' judges 3D joints, and objective 'reprojection' shows it key points only; choose"
    with pytest.raises(PoseplugError, match=message):
        make_plan({**said, "objective": {"name": "reprojection"}}, load_catalogue())
    make_plan(said, load_catalogue())


class Placed(Pairs):
    """Knows where its cameras are."""

    def sample(self, n, generator):
        eye = torch.eye(3)

        def turned(camera):
            return attrs.evolve(camera, rotation=eye.expand(len(camera), 3, 3), position=torch.zeros(len(camera), 3))

        return super().sample(n, generator).under(turned)


@pytest.mark.parametrize(("lifter", "refused"), [("map", True), ({"name": "mlp", "channels": 8}, False)])
def test_a_world_that_only_some_know_is_refused_where_whole_scenes_are_seen(catalogue, lifter, refused):
    placed = Entry("source", "placed", f"{__name__}:Placed", "", "", "toys")
    catalogue = attrs.evolve(catalogue, entries=(*catalogue.entries, placed))
    plan = make_plan(document(lifter, source="placed pairs", eval={"own": {"name": "pairs"}}), catalogue)
    if refused:
        with pytest.raises(PoseplugError, match="Source 'placed' knows where its cameras are in the world, 'pairs'"):
            build(plan, catalogue, torch.device("cpu"))
    else:
        build(plan, catalogue, torch.device("cpu"))
