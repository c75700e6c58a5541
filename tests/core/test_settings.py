import attrs
import pytest

from poseplug.core.errors import did_you_mean
from poseplug.core.settings import REQUIRED, setting


@attrs.frozen(kw_only=True)
class Config:
    rate: float = setting(1e-3, "Learning rate.", above=0)
    blocks: int = setting(2, "Number of blocks.", minimum=1, maximum=8)
    span: tuple[float, float] = setting((0.0, 1.0), "Range.", unit="m", minimum=0, maximum=10)
    kind: str = setting("mlp", "Which.", choices=("mlp", "gcn"))
    even: int = setting(2, "An even number.", check=lambda v: "must be even" if v % 2 else None)
    limit: float | None = setting(None, "Limit, if any.", minimum=0)
    data: str = setting("", "A folder.", path=True)


def test_defaults_are_valid_and_explained() -> None:
    assert Config().rate == 1e-3
    fields = attrs.fields_dict(Config)
    assert (fields["span"].metadata["doc"], fields["span"].metadata["unit"]) == ("Range.", "m")
    assert (fields["data"].metadata["path"], fields["kind"].metadata["path"]) == (True, False)
    assert fields["kind"].metadata["choices"] == ("mlp", "gcn")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": 0.0}, "must be above 0, got 0.0"),
        ({"rate": float("nan")}, "must be a number, got nan"),
        ({"blocks": 0}, "must be at least 1, got 0"),
        ({"blocks": 9}, "must be at most 8, got 9"),
        ({"span": (0.0, 11.0)}, "must be at most 10, got 11.0"),
        ({"span": (-1.0, 1.0)}, "must be at least 0, got -1.0"),
        ({"span": (0.0, float("nan"))}, "must be a number"),
        ({"kind": "gnc"}, "must be one of mlp, gcn; got 'gnc'. Did you mean 'gcn'?"),
        ({"even": 3}, "must be even"),
        ({"limit": -0.1}, "must be at least 0"),
    ],
)
def test_bad_values_are_refused_with_the_bound(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the message is compared whole below)
        Config(**values)
    assert message in str(caught.value)


def test_choices_are_listed_once() -> None:
    with pytest.raises(ValueError, match=r"^must be one of mlp, gcn; got 'zzz'\.$"):
        Config(kind="zzz")


@pytest.mark.parametrize(
    "values", [{"rate": 1e-9}, {"blocks": 1}, {"blocks": 8}, {"span": (0.0, 10.0)}, {"limit": 0.0}, {"limit": None}]
)
def test_bounds_are_inclusive(values: dict[str, object]) -> None:
    (name,) = values
    assert getattr(Config(**values), name) == values[name]


def test_required() -> None:
    @attrs.frozen(kw_only=True)
    class Needs:
        path: str = setting(REQUIRED, "Where.")

    with pytest.raises(TypeError, match="path"):
        Needs()
    assert Needs(path="x").path == "x"


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("semgnc", ["semgcn", "mlp"], " Did you mean 'semgcn'?"),
        ("zzz", ["semgcn", "mlp"], " Known: mlp, semgcn."),
        ("zzz", [], " None is installed."),
    ],
)
def test_did_you_mean(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, known) == hint
