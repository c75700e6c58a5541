"""Programs find what their models find: every lifter that is registered, and models that read all that they may."""

import io
import logging
import warnings

import attrs
import pytest
import torch
from conformance.keepers import DepthRoot, TwoPartLifter, WidthConfig

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layouts import H36M_16
from poseplug.core.interfaces import BuildContext, OutputHead
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.tensors import constant
from poseplug.registry.config.resolve import knowing
from poseplug.registry.conformance.poses import plausible_poses
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.export.agreement import largest_difference
from poseplug.registry.export.export import FORMATS
from poseplug.registry.export.program import as_seen, program_of, random_people
from poseplug.registry.export.trace import CannotExport, quiet, traced

CONTEXT = knowing(BuildContext(skeleton=H36M_16), load_catalogue())
# Who reads what is made of whole scenes is not exported; see test_export.py.
LIFTERS = [entry for entry in load_catalogue().of("lifter") if "scene" not in entry.load().reads]
SMALL = {"channels": 8, "blocks": 1}


def model_with(lifter, root=None, head=None):
    """Return a model in evaluation mode whose statistics are not those it began with."""
    model = LiftingModel(lifter, H36M_16, root, head)
    poses = plausible_poses(64, H36M_16, model.device, seed=5)
    model.normaliser.fit(poses)
    with torch.no_grad():
        model(poses)
    return model.eval()


@pytest.fixture(scope="module")
def seen():
    """People of the embedded reference, before random cameras."""
    builtin = next(entry for entry in load_catalogue().of("source") if entry.name == "builtin").load()
    source = builtin(builtin.Config(cameras="random", takes=1), BuildContext())
    return source.sample(7, torch.Generator().manual_seed(1))


def runs(model, flip=False, formats=("pt2", "onnx")):
    """Give a model's program and what calls it, in each format."""
    program, graph = traced(model, flip)
    for form in map(FORMATS.__getitem__, formats):
        yield program, form.opened(form.written(graph, program, "{}"))


def check(model, run, batch, inputs, flip=False):
    for n in (1, 2, 7):
        people = batch.select(slice(0, n))
        given = {"keypoints": people.joints_2d, **{name: getattr(people.camera, name) for name in inputs[1:]}}
        with torch.no_grad():
            found, (joints, roots) = run(given), model.place(people, flip)
            expected = {"joints": joints, **({} if roots is None else {"roots": roots})}
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            assert tensor.isfinite().all()
            torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("entry", LIFTERS, ids=lambda entry: entry.name)
def test_every_lifter_is_exported_in_every_format(entry, seen):
    lifter = entry.load()
    fields = {field.name for field in attrs.fields(lifter.Config)}
    model = model_with(lifter(lifter.Config(**{k: v for k, v in SMALL.items() if k in fields}), CONTEXT))
    for program, run in runs(model):
        assert program.inputs == ("keypoints", "size")
        for batch in (seen, random_people(7, H36M_16, model.device, seed=3)):
            check(model, run, batch, program.inputs)


class ReadsCamera(TwoPartLifter):
    """Reads focal lengths, the boxes around people and where they are."""

    reads = frozenset({"camera", "boxes", "roots"})

    def forward(self, joints_2d, *, camera, boxes, roots):
        few = camera.focal.mean(1) / 1e4 + boxes.mean(1) / 1e4 + roots.mean(1) / 10
        return super().forward(joints_2d) + few[:, None, None] * joints_2d.new_tensor([1.0, 0.5, 2.0])


class RayHead(OutputHead):
    """Reads the third coordinate as depth on the ray through each joint."""

    def forward(self, batch, output):
        return batch.camera.unproject(batch.joints_2d, output[..., 2] + 3)


@pytest.mark.parametrize("flip", [False, True])
def test_what_reads_the_camera_is_told_of_it_and_roots_are_returned(seen, flip):
    model = model_with(ReadsCamera(WidthConfig(), CONTEXT), DepthRoot(None, CONTEXT))
    for program, run in runs(model, flip, ("pt2", "onnx")[: 1 + flip]):
        assert program.inputs == ("keypoints", "size", "focal", "centre")
        assert program.outputs == ("joints", "roots")
        for batch in (seen, random_people(7, H36M_16, model.device, seed=3)):
            check(model, run, batch, program.inputs, flip)


def test_whether_the_camera_is_read_is_seen_whoever_reads_it():
    def inputs(*parts):
        return program_of(model_with(TwoPartLifter(WidthConfig(), CONTEXT), *parts)).inputs

    assert inputs() == ("keypoints", "size")
    assert inputs(None, RayHead()) == ("keypoints", "size", "focal", "centre")
    assert inputs(DepthRoot(None, CONTEXT)) == ("keypoints", "size", "focal", "centre")

    class Unread(TwoPartLifter):
        """Asks for the camera and has no use for it."""

        reads = frozenset({"camera"})

    assert program_of(model_with(Unread(WidthConfig(), CONTEXT))).inputs == ("keypoints", "size")


def test_flip_is_the_mean_with_the_mirrored_image(seen):
    model = model_with(TwoPartLifter(WidthConfig(), CONTEXT))
    once, flipped = (traced(model, flip)[1].module() for flip in (False, True))
    order, size = list(H36M_16.flip_index), seen.camera.size
    mirrored = torch.stack([size[:, None, 0] - seen.joints_2d[..., 0], seen.joints_2d[..., 1]], dim=-1)[:, order]
    straight, turned = (once(keypoints, size)["joints"] for keypoints in (seen.joints_2d, mirrored))
    expected = (straight + turned[:, order] * torch.tensor([-1.0, 1.0, 1.0])) / 2
    torch.testing.assert_close(flipped(seen.joints_2d, size)["joints"], expected, rtol=0, atol=1e-5)


def test_onnx_calls_the_number_of_people_by_one_name_and_nothing_is_said(capfd, recwarn):
    import onnx

    program, graph = traced(model_with(TwoPartLifter(WidthConfig(), CONTEXT), DepthRoot(None, CONTEXT)))
    model = onnx.load(io.BytesIO(FORMATS["onnx"].written(graph, program, "some text")))
    onnx.checker.check_model(model, full_check=True)
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "keypoints": ["N", 16, 2],
        **{name: ["N", 2] for name in ("size", "focal", "centre")},
        "joints": ["N", 16, 3],
        "roots": ["N", 3],
    }
    assert {prop.key: prop.value for prop in model.metadata_props}["poseplug"] == "some text"
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_what_differs_is_found():
    model = model_with(TwoPartLifter(WidthConfig(), CONTEXT))
    program, people = program_of(model), [random_people(7, H36M_16, model.device)]

    def off(change):
        return lambda given: {"joints": change(program(**given)["joints"])}

    with torch.no_grad():
        assert largest_difference(program, off(lambda x: x), people) == 0
        assert largest_difference(program, off(lambda x: x + 5e-5), people) == pytest.approx(5e-5, rel=0.02)
        for change, message in [
            (lambda x: x + 2e-3, "'joints' of 1 people is up to 0.002 m off"),
            (lambda x: x * torch.where(torch.arange(len(x)) == 6, torch.nan, 1)[:, None, None], "of 7 people .* inf m"),
            (lambda x: x[:, 1:], r"has the shape \[1, 15, 3\]; the model's is \[1, 16, 3\]"),
        ]:
            with pytest.raises(CannotExport, match=message):
                largest_difference(program, off(change), people)

        def fails(given):
            raise ValueError("two rows at least\nand more")

        with pytest.raises(CannotExport, match=r"fails for 1 people: ValueError: two rows at least$"):
            largest_difference(program, fails, people)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_number_for_what_is_none_is_found(value):
    """Of a model that says that it does not know."""

    class Unknown(TwoPartLifter):
        def forward(self, joints_2d, **inputs):
            return super().forward(joints_2d) * value

    program = program_of(model_with(Unknown(WidthConfig(), CONTEXT)))
    people = [random_people(7, H36M_16, torch.device("cpu"))]
    assert largest_difference(program, lambda given: program(**given), people) == 0
    with pytest.raises(CannotExport, match="'joints' of 1 people is up to inf m off"):
        largest_difference(program, lambda given: {"joints": torch.ones(len(given["size"]), 16, 3)}, people)


def test_random_people_are_of_all_sorts_and_equal_for_equal_seeds():
    people, again = (random_people(500, H36M_16, torch.device("cpu"), seed=4) for _ in range(2))
    assert torch.equal(people.joints_2d, again.joints_2d)
    width, height = people.camera.size.unbind(-1)
    assert 0.3 < (width > height).float().mean() < 0.7
    inside = ((people.joints_2d > 0) & (people.joints_2d < people.camera.size[:, None])).float().mean()
    assert 0.95 < inside < 1  # key points may lie beyond the image
    assert (people.camera.focal > 500).all()


class AsksLate(TwoPartLifter):
    """Asks for a constant only where it is exported."""

    def forward(self, joints_2d, **inputs):
        joints = super().forward(joints_2d)
        return joints + constant((5.0, 6.0, 7.0), joints.device) if torch.compiler.is_compiling() else joints


def test_tracing_leaves_no_constant_without_values_behind():
    """Those that are kept serve everybody, training too."""
    traced(model_with(AsksLate(WidthConfig(), CONTEXT)))
    kept = constant((5.0, 6.0, 7.0), torch.device("cpu"))
    assert type(kept) is torch.Tensor
    assert kept.tolist() == [5.0, 6.0, 7.0]


def test_warnings_and_logs_are_as_they_were_after_an_error():
    def fails():
        with quiet():
            warnings.warn("not heard", stacklevel=1)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert logging.root.manager.disable == 0
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)


def test_the_distortion_of_a_lens_is_not_part_of_a_program(seen):
    """What a program is told holds for a lens without: key points are to be undistorted before."""
    distorted = attrs.evolve(seen.camera, distortion=torch.full((7, 5), 0.1))
    plain = as_seen(attrs.evolve(seen, camera=distorted))
    assert plain.camera.distortion is plain.camera.rotation is plain.joints_3d is None
    pinhole = PoseBatch(H36M_16, seen.joints_2d, Camera(seen.camera.focal, seen.camera.centre, seen.camera.size))
    program = program_of(model_with(TwoPartLifter(WidthConfig(), CONTEXT), DepthRoot(None, CONTEXT)))
    with torch.no_grad():
        assert torch.equal(program.lift(plain)["roots"], program.lift(pinhole)["roots"])
