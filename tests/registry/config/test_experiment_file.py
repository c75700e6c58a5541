import pytest

from poseplug.core.errors import PoseplugError
from poseplug.registry.config.experiment_file import (
    differences,
    lay_over,
    read_document,
    tables_in,
    write_document,
)
from poseplug.registry.config.set_flag import set_value
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.plan import make_plan

DOCUMENT = {
    "steps": 10,
    "epochs": 2,
    "seeds": 3,
    "reference_share": 0.25,
    "protocol": "default",
    "hook_errors": "stop",
    "source": [{"name": "bvh", "path": "x"}],
    "augmentor": [{"name": "rigid"}, {"name": "jitter", "length": 0.1}],
    "lifter": {"name": "mlp", "channels": 4},
    "objective": {"name": "supervised"},
    "eval": {"wild": {"name": "bvh", "path": "y"}, "a.b": {"name": "bvh", "path": "x"}},
    "phase": [{"name": "all", "steps": 3}],
}


def test_a_plan_writes_what_it_was_made_from(tmp_path):
    path = tmp_path / "experiment.toml"
    plan = make_plan(DOCUMENT, load_catalogue())
    write_document(path, plan.document)
    assert make_plan(read_document(path), load_catalogue()).document == plan.document
    changed = [line for line in differences(DOCUMENT, read_document(path)) if ": None -> " not in line]
    assert {line.partition(":")[0] for line in changed} == {"source.0.path", "eval.wild.path", "eval.a.b.path"}


def test_a_part_that_keeps_its_name_keeps_its_settings():
    assert lay_over(DOCUMENT, {"lifter": {"name": "mlp", "blocks": 1}})["lifter"] == {
        "name": "mlp",
        "channels": 4,
        "blocks": 1,
    }
    assert lay_over(DOCUMENT, {"lifter": {"name": "stgcn"}})["lifter"] == {"name": "stgcn"}
    assert lay_over(DOCUMENT, {"augmentor": [{"name": "rigid"}]})["augmentor"] == [{"name": "rigid"}]
    assert lay_over(DOCUMENT, {"eval": {"a": {"name": "b"}}})["eval"] == {"a": {"name": "b"}}
    assert DOCUMENT["lifter"] == {"name": "mlp", "channels": 4}


@pytest.mark.parametrize(
    ("assignment", "changed"),
    [
        ("steps=20", "steps: 10 -> '20'"),
        ("lifter.channels=8", "lifter.channels: 4 -> '8'"),
        ("source.path=a=b", "source.0.path: 'x' -> 'a=b'"),
        ("source.0.path=z", "source.0.path: 'x' -> 'z'"),
        ("augmentor.1.length=0", "augmentor.1.length: 0.1 -> '0'"),
        ("eval.wild.path=z", "eval.wild.path: 'y' -> 'z'"),
        ("eval.a.b.path=z", "eval.a.b.path: 'x' -> 'z'"),
        ("phase.steps=7", "phase.0.steps: 3 -> '7'"),
    ],
)
def test_set_reaches_any_field(assignment, changed):
    assert differences(DOCUMENT, set_value(DOCUMENT, assignment)) == [changed]


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("steps", "is not an assignment"),
        ("lifter.=3", "is not an assignment"),
        ("lifer.channels=3", "no part 'lifer'. Did you mean 'lifter'"),
        ("root.x=1", "this experiment has no root"),
        ("augmentor.share=1", r"expected augmentor.K.SETTING with K from 0 to 1"),
        ("augmentor.2.share=1", r"expected augmentor.K.SETTING with K from 0 to 1"),
        ("eval.lab.path=1", "expected eval.LABEL.SETTING with LABEL one of wild, a.b"),
        ("eval.path=1", "expected eval.LABEL.SETTING"),
        ("root.x.y=1", "this experiment has no root; choose one with --root first"),
        ("lifter.a.b=1", "expected lifter.SETTING"),
    ],
)
def test_assignments_that_reach_nothing_are_refused(assignment, message):
    with pytest.raises(PoseplugError, match=message):
        set_value(DOCUMENT, assignment)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lifter": "mlp"}, "'lifter' in an experiment is a table with a 'name'; got 'mlp'"),
        ({"source": {"name": "bvh"}}, r"write \[\[source\]\]"),
        ({"source": [{"path": "x"}]}, "is a table with a 'name'"),
        ({"eval": [{"name": "bvh"}]}, r"write \[eval.LABEL\]"),
        ({"phase": {"name": "all"}}, r"write \[\[phase\]\]"),
        ({"eval": {"wild": "bvh"}}, "'eval.wild' in an experiment is a table with a 'name'; got 'bvh'"),
    ],
)
def test_misshapen_documents_are_refused(change, message):
    (place,) = change
    with pytest.raises(PoseplugError, match=message):
        tables_in(change, place)
    with pytest.raises(PoseplugError, match=message):
        make_plan({**DOCUMENT, **change}, load_catalogue())


def test_results_name_the_parts_and_not_what_is_evaluated_on():
    named = {"source": "bvh", "augmentor": "rigid,jitter", "lifter": "mlp", "objective": "supervised"}
    assert make_plan(DOCUMENT, load_catalogue()).components() == named


@pytest.mark.parametrize("content", [b"steps = = 3", b"\xff\xfe\x00"])
def test_files_that_are_not_toml_are_refused(tmp_path, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(PoseplugError, match=r"bad.toml' is not a TOML file"):
        read_document(path)
    with pytest.raises(PoseplugError, match="There is no file"):
        read_document(tmp_path / "none.toml")
