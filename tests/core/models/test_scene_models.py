"""Models of whole scenes: whose inputs are made of what, where people are put, and who is found."""

import attrs
import pytest
import torch
from scene_parts import AroundRoots, Drawn, MapFinder, MapLifter, pairs
from torch import nn
from toys import STAR, LinearLifter, MeanRoot, SignHead

from poseplug.core.data.found import Found
from poseplug.core.errors import PoseplugError
from poseplug.core.interfaces import InputProvider, Lifter, RootEstimator
from poseplug.core.models.inputs import Inputs, standard_inputs
from poseplug.core.models.lifting_model import LiftingModel

# People of scene 0 are both found, 0.2 m too deep; of scene 1 nobody is found near, of scene 2 only the second.
OFFSET = torch.tensor([0.0, 0.0, 0.2])


@pytest.fixture
def batch():
    people = pairs(3, torch.Generator().manual_seed(3))
    moved = people.joints_3d - people.root[:, None] + torch.arange(6.0)[:, None, None] * torch.tensor([1.0, 0, 0])
    return people.moved(moved + torch.tensor([0.0, 0.0, 5.0]))


class Told(RootEstimator):
    """Finds people where it was told."""

    reads = frozenset({"scenes"})
    finds = True

    def __init__(self, found):
        super().__init__()
        self.found = found

    def forward(self, *, scenes):
        return self.found

    def loss(self, roots, batch, **inputs):
        return {}


class Own(Lifter):
    """Says joints about the given root: the root at a fixed place from there, the others a metre on from it."""

    normalisation = None
    reads = frozenset({"roots"})
    step = torch.tensor([0.0, 0.0, -0.2])

    def forward(self, joints_2d, *, roots):
        joints = torch.ones(len(roots), STAR.num_joints, 3)
        joints[:, STAR.root] = 0
        return joints + self.step


class Refining(Own):
    refines_root = True


def told(batch):
    root = batch.root + OFFSET
    root[2:4] += 3
    root[4] += 3
    score = torch.tensor([0.4, 0.9, 0.8, 0.7, 0.6, 0.5])
    return Found(batch.scene, root, score, most=2)


def model_of(batch, lifter, noise=0.1):
    finder = Told(told(batch))
    finder.unmatched_noise = noise
    return LiftingModel(lifter(), STAR, finder)


def test_true_people_get_the_roots_of_whom_was_found_near_and_the_others_their_own(batch):
    model = model_of(batch, Own)
    expected = batch.root.clone()
    expected[[0, 1, 5]] += OFFSET
    joints, roots = model.place(batch)
    assert torch.equal(roots, expected)
    assert torch.equal(joints[:, STAR.root], torch.zeros(6, 3))
    assert torch.equal(joints[:, 0], torch.ones(6, 3))


def test_noise_is_on_unmatched_roots_alone_while_something_is_drawn_from(batch):
    model = model_of(batch, Own, noise=0.01)
    plain = model.place(batch)[1]
    with model.inputs.drawing(torch.Generator().manual_seed(0)):
        noisy = model.place(batch)[1]
        again = model.place(batch)[1]
    moved = (noisy - plain).norm(dim=-1)
    assert moved[[0, 1, 5]].tolist() == [0, 0, 0]
    assert (moved[2:5] > 1e-4).all()
    assert (moved < 0.1).all()
    assert not torch.equal(noisy, again)
    assert torch.equal(model.place(batch)[1], plain)
    # Its standard deviation is what the finder says.
    many = [(model_of(batch, Own, 0.01), torch.Generator().manual_seed(i)) for i in range(200)]
    drawn = []
    for one, generator in many:
        with one.inputs.drawing(generator):
            drawn.append(one.place(batch)[1] - plain)
    assert torch.stack(drawn)[:, 2:5].std() == pytest.approx(0.01, rel=0.05)


def test_a_refining_lifter_is_trained_on_where_it_puts_the_joints(batch):
    output = Own()(None, roots=batch.root)
    # What it is compared with is root-relative; moved by the error of its root, its joints are absolute but for that.
    error = torch.zeros(6, 3)
    error[[0, 1, 5]] = OFFSET
    refining = model_of(batch, Refining)
    torch.testing.assert_close(refining(batch), output + error[:, None])
    absolute = batch.root[:, None] + refining(batch)
    joints, roots = refining.place(batch)
    torch.testing.assert_close(joints + roots[:, None], absolute)
    torch.testing.assert_close(roots[:2], batch.root[:2])  # 0.2 m too deep, and 0.2 m brought back
    assert torch.equal(model_of(batch, Own)(batch), output)
    # Where there is no truth its joints are about the root that it is given, here that of a plain root estimator.
    flat = attrs.evolve(batch, joints_3d=None)
    mean = LiftingModel(Refining(), STAR, MeanRoot())
    assert torch.equal(mean(flat), output)
    assert torch.equal(mean.place(flat)[1], torch.tensor([0.0, 0.0, 3.8]).expand(6, 3))


def test_people_who_are_found_are_lifted_about_their_roots(batch):
    for lifter, step in ((Own, 0.0), (Refining, Own.step)):
        model, found = model_of(batch, lifter), told(batch)
        said = model.find(batch)
        torch.testing.assert_close(said.root, found.root + step)
        torch.testing.assert_close(said.joints_3d[:, STAR.root], said.root)
        torch.testing.assert_close(said.joints_3d[:, 0], said.root + 1)
        assert torch.equal(said.score, found.score)
    certain = model.find(batch, keep=lambda found: found.score > 0.65)
    assert certain.scene.tolist() == [0, 1, 1]
    assert len(model.find(batch, keep=lambda found: found.score > 2)) == 0


def test_found_people_share_what_was_made_of_their_scenes(batch):
    drawn = Drawn()
    model = LiftingModel(AroundRoots(), STAR, MapFinder(), inputs={**standard_inputs(), "drawn": drawn})
    with model.inputs.shared():
        model.place(batch)
        assert drawn.made == 1
        drawn.made = 0
        with torch.no_grad():
            said = model.find(batch)
    assert drawn.made == 1
    maps = Drawn().provide(batch)
    with torch.no_grad():
        output = model.lifter(None, maps=maps, scene=said.scene, roots=said.root)
        found = model.root(maps=maps)
    torch.testing.assert_close(said.joints_3d, output + found.root[:, None])


def test_a_batch_of_which_nobody_is_known_is_searched(batch):
    empty = batch.select(torch.zeros(6, dtype=torch.bool))
    assert (len(empty), empty.num_scenes) == (0, 3)
    said = model_of(batch, Own).find(empty)
    assert torch.equal(said.root, told(batch).root)


def test_a_lifter_of_key_points_lifts_those_that_are_found(batch):
    found = attrs.evolve(told(batch), joints_2d=batch.joints_2d + 1)
    model = LiftingModel(LinearLifter(), STAR, Told(found)).eval()
    said = model.find(batch)
    alone = LiftingModel(model.lifter, STAR).predict(attrs.evolve(batch, joints_2d=batch.joints_2d + 1))
    torch.testing.assert_close(said.joints_3d, alone + found.root[:, None])
    with pytest.raises(PoseplugError, match="LinearLifter reads key points, and Told finds people without any"):
        LiftingModel(model.lifter, STAR, Told(told(batch))).find(batch)


def test_who_searches_for_nobody_finds_nobody(batch):
    with pytest.raises(PoseplugError, match="This model searches for nobody"):
        LiftingModel(MapLifter(), STAR, MeanRoot()).find(batch)


def test_a_refining_lifter_takes_no_head_of_an_objective():
    with pytest.raises(PoseplugError, match="Refining refines roots, and the objective trains it on something else"):
        LiftingModel(Refining(), STAR, MeanRoot(), SignHead())


class Named(InputProvider):
    """Says its name, of batches that have what it needs."""

    provides = "word"

    def __init__(self, word, *needs):
        super().__init__()
        self.word, self.needs = word, frozenset(needs)

    def provide(self, batch, **inputs):
        return self.word


def test_the_first_that_a_batch_has_enough_for_provides_an_input(batch):
    image = torch.zeros(3, 3, 4, 4, dtype=torch.uint8)
    pictured = attrs.evolve(batch, scenes=attrs.evolve(batch.scenes, image=image))
    flat = attrs.evolve(pictured, joints_3d=None)
    seeing, knowing = Named("seen", "image"), Named("known", "joints_3d")
    for order, both in ((("seeing", "knowing"), "seen"), (("knowing", "seeing"), "known")):
        inputs = Inputs({name: {"seeing": seeing, "knowing": knowing}[name] for name in order})
        words = [inputs.read(["word"], seen)["word"] for seen in (batch, pictured, flat)]
        assert words == ["known", both, "seen"]
    with pytest.raises(PoseplugError, match="Input 'word' is made of image, and these poses have none"):
        Inputs({"seeing": seeing}).read(["word"], batch)
    bare = attrs.evolve(batch, joints_3d=None)
    with pytest.raises(PoseplugError, match="Input 'word' is made of image or joints_3d, and"):
        inputs.read(["word"], bare)


def test_networks_are_stored_under_their_own_names_whatever_they_provide():
    class Network(Named, nn.Module):
        def __init__(self):
            super().__init__("net")
            self.weight = nn.Parameter(torch.ones(1))

    named = Inputs({"backbone": Network(), "word": Named("rendered")})
    assert list(named.state_dict()) == ["networks.backbone.weight"]
    several = Inputs({"word": [Named("rendered"), Network()]})
    assert list(several.state_dict()) == ["networks.word-1.weight"]


def test_inputs_of_scenes_are_told_from_others(batch):
    class Beside(Named):
        reads = frozenset({"maps"})

    inputs = Inputs({**standard_inputs(), "drawn": Drawn(), "beside": Beside("x"), "plain": Named("y")})
    assert inputs.of_scenes({"maps", "scene", "scenes", "camera", "word", "missing"}) == {
        "maps",
        "scene",
        "scenes",
        "word",
    }
    model = LiftingModel(AroundRoots(), STAR, MapFinder(), inputs=inputs.providers)
    assert model.inputs.of_scenes(model.lifter.reads) == {"maps", "scene", "roots"}
    assert LiftingModel(LinearLifter(), STAR, MeanRoot()).inputs.of_scenes({"roots"}) == set()


def test_those_who_make_one_input_make_it_in_one_form(batch):
    class Sized(Named):
        def __init__(self, *form):
            super().__init__("sized")
            self.form = form or None

    Inputs({"first": Sized(64, 120), "second": Sized(64, 120), "any": Sized()})
    with pytest.raises(PoseplugError, match="first, second all make 'word', as 64 x 120 and 16 x 32; give them the"):
        Inputs({"first": Sized(64, 120), "second": Sized(16, 32)})


def test_whatever_is_provided_is_in_single_precision(batch):
    class Product(Named):
        def provide(self, batch, **inputs):
            return batch.joints_2d @ batch.joints_2d.mT

    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert Inputs({"word": Product("x")}).read(["word"], batch)["word"].dtype == torch.float32


def test_lifters_of_found_people_are_told_of_their_scenes(batch):
    told = []

    class Telling(AroundRoots):
        reads = AroundRoots.reads | {"scenes"}

        def forward(self, joints_2d, *, scenes, **inputs):
            told.append(scenes.most)
            return super().forward(joints_2d, **inputs)

    model = LiftingModel(Telling(), STAR, MapFinder(), inputs={**standard_inputs(), "drawn": Drawn()})
    found = model.find(batch)
    assert told == [found.most]
