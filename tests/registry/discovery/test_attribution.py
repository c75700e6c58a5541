"""Unexpected errors end with whose they are; what a user can cause does not."""

import pytest

from poseplug.core.errors import PoseplugError
from poseplug.registry.discovery.attribution import blaming, culprit
from poseplug.registry.discovery.catalogue import Catalogue, Entry

NARROW = ["run", "--lifter", "mlp:channels=8,blocks=1", "--steps", "2", "--batch-size", "4"]


class Base:
    def forward(self):
        helper()


class Derived(Base):
    pass


class Other:
    def loss(self):
        helper()


def helper():
    raise ZeroDivisionError("by zero")


def entry(kind, name, target=__name__):
    return Entry(kind, name.lower(), f"{target}:{name}", "", "", "poseplug-toy")


TOYS = Catalogue((), (entry("lifter", "Derived"), entry("objective", "Other"), entry("source", "Far", "far.away")))


def raised(call):
    with pytest.raises(ZeroDivisionError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(("part", "whose"), [(Derived, "lifter 'derived'"), (Other, "objective 'other'")])
def test_the_component_whose_method_failed_is_named_through_helpers_and_base_classes(part, whose):
    call = part().forward if part is Derived else part().loss
    assert culprit(raised(lambda: call()), TOYS).startswith(f"This error was raised in {whose} of poseplug-toy;")


def test_without_a_method_all_components_of_the_module_are_named():
    assert "in lifter 'derived', objective 'other' of poseplug-toy;" in culprit(raised(helper), TOYS)


def test_what_no_plugin_raised_is_nobody_s():
    assert culprit(raised(helper), Catalogue((), (entry("source", "Far", "far.away"),))) == ""
    assert culprit(raised(helper), Catalogue((), (entry("source", "Far", "poseplug.core.far"),))) == ""


def test_it_is_noted_once_and_errors_that_explain_themselves_are_left_alone():
    @blaming
    def run(plan, catalogue):
        raise plan

    with pytest.raises(PoseplugError) as refused:
        run(PoseplugError("bad value"), TOYS)
    with pytest.raises(KeyError) as failed:
        run(KeyError("x"), catalogue=TOYS)
    assert not hasattr(refused.value, "__notes__")
    assert len(failed.value.__notes__) == 1


def test_a_run_ends_with_the_component_and_its_distribution(poseplug, monkeypatch):
    from poseplug_baselines.perceptron import ResidualPerceptron

    monkeypatch.setattr(ResidualPerceptron, "forward", lambda *_: 1 / 0)
    for verb in ([], ["--dry-run"]):
        with pytest.raises(ZeroDivisionError) as caught:
            poseplug(*NARROW, *verb)
        expected = "This error was raised in lifter 'mlp' of poseplug-baselines; tell the authors of that plugin."
        assert caught.value.__notes__ == [expected]
