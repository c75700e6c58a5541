"""The kit itself: it passes what is right, and of what is wrong in one thing it fails exactly that."""

import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from conformance.breakers import BREAKERS
from conformance.broken_programs import AnotherProgram, CountsPeople, LooksAtValues
from conformance.broken_results import Warns, WarnsInTorch
from conformance.keepers import KEEPERS, Counter, FileSource, Shrinking, TwoPartLifter
from torch import nn

from poseplug.core.errors import PoseplugError
from poseplug.core.kinds import kind_names
from poseplug.registry.conformance import (
    PROMISES,
    Verdict,
    check_component,
    check_entry,
    conformance_tests,
    promises_of,
)
from poseplug.registry.conformance.check import Checker
from poseplug.registry.conformance.poses import BODY_21, STAR, extreme_poses, plausible_poses
from poseplug.registry.discovery.catalogue import Entry

CPU = torch.device("cpu")


@pytest.mark.parametrize(("kind", "component"), [(kind, c) for kind, listed in KEEPERS.items() for c in listed])
def test_what_is_right_passes(kind, component):
    verdicts = check_component(kind, component)
    assert [v for v in verdicts if v.state == "failed"] == []
    assert [v.promise for v in verdicts] == [promise.name for promise in promises_of(kind)]
    skipped = {v.promise: v.reason for v in verdicts if v.state == "skipped"}
    expected = {"source": {"skeletons": "decides its skeleton itself"}}.get(kind, {})
    if component is Shrinking:
        expected = {"gradients": "has no parameters to train"}
    assert skipped == expected


@pytest.mark.parametrize(
    ("promise", "kind", "component"),
    [(name, kind, component) for name, listed in BREAKERS.items() for kind, component in listed],
)
def test_what_is_wrong_in_one_thing_fails_exactly_that(promise, kind, component):
    verdicts = {v.promise: v for v in check_component(kind, component)}
    assert [v for v in verdicts.values() if v.state == "failed"] == [verdicts[promise]]
    assert verdicts[promise].reason


def test_every_promise_has_a_component_that_breaks_it_and_every_kind_has_one_that_keeps_all():
    assert BREAKERS.keys() == {promise.name for promise in PROMISES}
    assert set(KEEPERS) == set(kind_names())


@pytest.mark.parametrize(
    ("name", "part_of_reason"),
    [
        ("works", "float64"),
        ("refusals", "setting 'width' takes 0, and fails with it: "),
        ("settings-read", "nothing reads resume"),
        ("random-state", "torch's global random state changed when used"),
        ("input", "changed in place: poses.joints_3d"),
        ("sizes", "[16, 3]; expected [1, 16, 3]"),
        ("gradients", "no gradient reaches hidden.0.weight"),
        ("constructs", "RuntimeError: no licence file (broken_results.py:"),
        ("groups", "in other than one group: hidden.0.weight in 0"),
        ("memory", "expected [16, 16, 2]"),
        ("events", "overrides no event"),
        (
            "export",
            "depends on values that it computes (an 'if' on a tensor, an .item(), a loop) (broken_programs.py:12)",
        ),
    ],
)
def test_reasons_say_what_was_found(name, part_of_reason):
    kind, component = BREAKERS[name][0]
    reason = {v.promise: v.reason for v in check_component(kind, component)}[name]
    assert part_of_reason in reason


def test_what_cannot_be_exported_is_told_where_and_what_to_do():
    counts, differs = (
        {v.promise: v.reason for v in check_component("lifter", component)}["export"]
        for component in (CountsPeople, AnotherProgram)
    )
    assert "made for one number of people; take x.shape[0] instead of len(x)" in counts
    assert counts.endswith("(broken_programs.py:21)")
    assert re.search("exported, 'joints' of 1 people is up to [0-9.]+ m off the model's", differs)


def test_a_lifter_may_refuse_to_be_exported():
    class Iterates(LooksAtValues):
        """Says so by itself."""

        def forward(self, joints_2d, **inputs):
            if torch.compiler.is_compiling():
                raise PoseplugError("It goes on until it has converged.")
            return super().forward(joints_2d)

    refused = {v.promise: v for v in check_component("lifter", Iterates)}["export"]
    assert refused == Verdict("export", "skipped", "refuses to be exported: It goes on until it has converged.")


def test_lifters_that_read_roots_and_the_camera_are_exported_with_both():
    class ReadsAll(TwoPartLifter):
        """Adds a little of everything that it may read."""

        reads = frozenset({"roots", "camera", "boxes"})

        def forward(self, joints_2d, *, roots, camera, boxes):
            few = (roots.mean(1) + camera.focal.mean(1) / 1e4 + boxes.mean(1) / 1e4)[:, None, None]
            return super().forward(joints_2d) + few

    assert Checker("lifter", ReadsAll).verdict("export") == Verdict("export", "ok")


@pytest.mark.parametrize("raised", [KeyboardInterrupt, GeneratorExit, SystemExit])
def test_a_component_that_raises_what_ends_programs_does_not_end_the_check(raised):
    class Leaving(TwoPartLifter):
        """Leaves when it is used."""

        def forward(self, joints_2d, **inputs):
            raise raised("enough")

    verdicts = {v.promise: v for v in check_component("lifter", Leaving)}
    assert verdicts["works"].state == "failed"
    assert verdicts["works"].reason.startswith(f"{raised.__name__}: enough (test_kit.py:")


def test_what_depends_on_a_broken_promise_is_skipped_with_its_name():
    verdicts = {v.promise: v for v in check_component("lifter", BREAKERS["constructs"][0][1])}
    assert verdicts["works"] == Verdict("works", "skipped", "'constructs' is not kept")
    assert verdicts["sizes"] == Verdict("sizes", "skipped", "'constructs' is not kept")
    assert verdicts["settings"].state == "ok"


def test_a_missing_required_setting_skips_what_needs_it():
    class Closed(FileSource):
        """Offers no example."""

        example_settings = None

    verdicts = {v.promise: v for v in check_component("source", Closed)}
    assert verdicts["defaults"].state == verdicts["settings"].state == "ok"
    assert verdicts["works"] == Verdict("works", "skipped", "needs path")


def test_settings_are_used_and_wrong_ones_refused(tmp_path):
    (tmp_path / "n").write_text("7")
    verdicts = check_component("source", FileSource, {"path": str(tmp_path / "n")})
    assert not [v for v in verdicts if v.state == "failed"]
    with pytest.raises(PoseplugError, match="has no setting 'widht'. Did you mean 'width'"):
        check_component("lifter", TwoPartLifter, {"widht": 3})
    with pytest.raises(PoseplugError, match="There is no kind 'lifters'"):
        check_component("lifters", TwoPartLifter)


def test_a_missing_optional_package_is_skipped_and_a_missing_module_is_not():
    class Polite(Counter):
        """Says what to install."""

        def __init__(self, config, context):
            try:
                import no_such_package  # noqa: F401
            except ImportError:
                raise PoseplugError("this hook needs no_such_package; pip install it") from None

    class Rude(Counter):
        """Fails."""

        def __init__(self, config, context):
            import no_such_package  # noqa: F401

    polite, rude = ({v.promise: v for v in check_component("hook", hook)} for hook in (Polite, Rude))
    assert (polite["constructs"].state, polite["constructs"].reason) == (
        "skipped",
        "this hook needs no_such_package; pip install it",
    )
    assert rude["constructs"].state == "failed"


@pytest.mark.parametrize(
    ("paper", "state"), [("", "failed"), ("none", "failed"), ("none: a control", "ok"), ("A. Uthor, Title", "ok")]
)
def test_a_registered_component_names_its_paper_or_says_why_there_is_none(paper, state):
    entry = Entry("lifter", "two", "conformance.keepers:TwoPartLifter", "two parts", paper, "dist")
    assert {v.promise: v.state for v in check_entry(entry)}["described"] == state


def test_a_class_that_cannot_be_loaded_has_one_verdict():
    entry = Entry("lifter", "gone", "conformance.keepers:Gone", "gone", "", "dist")
    (verdict,) = check_entry(entry)
    assert (verdict.promise, verdict.state) == ("loads", "failed")
    assert "cannot be loaded" in verdict.reason


def test_checking_leaves_the_global_random_states_and_threads_alone():
    torch.manual_seed(3)
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy(), torch.get_num_threads())  # noqa: NPY002
    check_component("augmentor", Shrinking)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert (before[2] == np.random.get_state()[1]).all()  # noqa: NPY002
    assert before[3] == torch.get_num_threads()


@pytest.mark.parametrize("skeleton", [STAR, BODY_21])
def test_the_kit_s_own_poses_are_legal(skeleton):
    for poses in (plausible_poses(500, skeleton, CPU), extreme_poses(skeleton, CPU)):
        assert poses.absolute.isfinite().all()
        assert (poses.absolute[..., 2] > 0.1).all()
        assert torch.allclose(poses.joints_2d, poses.camera.project(poses.absolute))
    extreme = extreme_poses(skeleton, CPU)
    assert extreme.absolute[..., 2].max() > 90
    assert (extreme.root_relative.abs().amax((1, 2)) == 0).any()
    assert set(extreme.camera.size.amax(-1).tolist()) >= {32, 16384}


def test_the_unusual_skeletons_are_unusual():
    assert (STAR.num_joints, STAR.root) == (5, 2)
    assert (BODY_21.num_joints, BODY_21.root) == (21, 20)
    assert not STAR.parts


test_in_three_lines = conformance_tests("lifter", TwoPartLifter)
test_with_a_sample_of_data = conformance_tests("source", FileSource)


def test_a_broken_promise_fails_the_plugin_s_test():
    test = conformance_tests("lifter", BREAKERS["groups"][0][1])
    complaint = "UngroupedDepth breaks its promise 'groups' .*: parameters in other than"
    with pytest.raises(pytest.fail.Exception, match=complaint):
        test("groups")
    test("independence")


def test_an_error_is_told_with_the_component_s_own_lines_and_no_others():
    class BadShape(TwoPartLifter):
        """Multiplies what does not fit."""

        def forward(self, joints_2d, **inputs):
            return nn.functional.linear(joints_2d, torch.ones(3, 5))

    with pytest.raises(pytest.fail.Exception) as caught:
        conformance_tests("lifter", BadShape)("works")
    message = str(caught.value)
    assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied" in message
    assert "return nn.functional.linear(joints_2d, torch.ones(3, 5))" in message
    assert {Path(file).name for file in re.findall('File "(.*?)"', message)} == {"test_kit.py"}
    assert not caught.value.pytrace


def test_warnings_raise_nothing_and_are_told_with_the_component_s_line():
    for component, line in ((Warns, "UserWarning: channels are few"), (WarnsInTorch, "UserWarning: The use of")):
        verdicts = {v.promise: v for v in check_component("lifter", component)}
        assert [v.promise for v in verdicts.values() if v.state == "failed"] == ["no_warnings"]
        assert verdicts["no_warnings"].reason.startswith(line)
        assert "(broken_results.py:" in verdicts["no_warnings"].reason


def test_a_skeleton_that_is_refused_does_not_hide_the_other():
    class NeedsArms(Shrinking):
        """Asks for named parts."""

        def __init__(self, config, context):
            super().__init__(config, context)
            if "left_arm" not in context.layout.parts:
                raise PoseplugError(f"skeleton '{context.layout.name}' has no part 'left_arm'")

    class NeedsArmsOfSixteen(NeedsArms):
        """And on top of it knows the joints by number."""

        augment = BREAKERS["skeletons"][0][1].augment

    polite, tied = ({v.promise: v for v in check_component("augmentor", c)} for c in (NeedsArms, NeedsArmsOfSixteen))
    assert polite["skeletons"] == Verdict(
        "skeletons",
        "skipped",
        "refuses skeleton 'star': skeleton 'star' has no part 'left_arm'; works on skeleton 'body21'",
    )
    assert tied["skeletons"].state == "failed"


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("kind", sorted(KEEPERS))
def test_on_cuda_what_is_right_passes(kind):
    for component in KEEPERS[kind]:
        verdicts = check_component(kind, component, device="cuda")
        assert [v for v in verdicts if v.state == "failed"] == []
