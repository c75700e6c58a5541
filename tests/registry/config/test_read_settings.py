import math
from pathlib import Path

import attrs
import pytest

from poseplug.core.errors import PoseplugError
from poseplug.core.settings import REQUIRED, setting
from poseplug.registry.config.read_settings import structure, typed_example, unstructure


@attrs.frozen(kw_only=True)
class Config:
    count: int = setting(3, "how many", minimum=1)
    rate: float = setting(0.5, "how fast", above=0, maximum=1)
    on: bool = setting(True, "whether")
    name: str = setting("a", "which", choices=("a", "bee"))
    span: tuple[float, float] = setting((0.0, 1.0), "from, to")
    words: tuple[str, ...] = setting((), "some words")
    maybe: float | None = setting(0.1, "perhaps")
    where: str = setting("", "a file", path=True)


@attrs.frozen(kw_only=True)
class Needy:
    path: str = setting(REQUIRED, "the data")


def read(**settings):
    return structure(Config, settings, "lifter 'x'")


def test_text_is_read_as_the_fields_type_asks():
    config = read(count="7", rate="1", on="false", name="bee", span="[0, 2.5]", words="[left, right]", maybe="none")
    assert config == Config(
        count=7, rate=1.0, on=False, name="bee", span=(0.0, 2.5), words=("left", "right"), maybe=None
    )
    assert type(config.rate) is float


def test_typed_values_pass_as_they_are():
    assert read(count=7, rate=1, span=[0, 1], maybe=None) == Config(count=7, rate=1.0, span=(0.0, 1.0), maybe=None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": "2.7"}, "'count': expected a whole number, got '2.7'"),
        ({"count": 2.7}, "'count': expected a whole number, got 2.7"),
        ({"count": True}, "expected a whole number, got True"),
        ({"count": "many"}, "expected a whole number, got 'many'"),
        ({"count": 0}, "'count': must be at least 1, got 0"),
        ({"rate": 0}, "'rate': must be above 0, got 0.0"),
        ({"rate": math.nan}, "'rate': must be a number, got nan"),
        ({"rate": "1.5"}, "'rate': must be at most 1, got 1.5"),
        ({"on": 1}, "expected true or false, got 1"),
        ({"name": "bea"}, "must be one of a, bee; got 'bea'. Did you mean 'bee'?"),
        ({"name": 3}, "expected text, got 3"),
        ({"span": "[1]"}, r"expected \[2 numbers\], such as \[0,0.5\], got '\[1\]'"),
        ({"span": "1"}, r"expected \[2 numbers\]"),
        ({"span": "0;0.5"}, r"'span': expected \[2 numbers\], such as \[0,0.5\], got '0;0.5'"),
        ({"span": [1, "x"]}, r"expected \[2 numbers\], such as \[0,0.5\], got \[1, 'x'\]"),
        ({"words": "left"}, r"expected \[texts\], such as \[one,two\], got 'left'"),
        ({"words": {"left": 1}}, r"expected \[texts\], such as \[one,two\], got {'left': 1}"),
        ({"maybe": "x"}, "expected a number or none, got 'x'"),
        ({"coutn": 3}, "lifter 'x' has no setting 'coutn'. Did you mean 'count'?"),
    ],
)
def test_bad_values_are_named(settings, message):
    with pytest.raises(PoseplugError, match=message):
        read(**settings)


@pytest.mark.parametrize(
    "kind",
    [tuple[float, float], tuple[int, int, int], tuple[str, ...], tuple[bool, bool], tuple[float, ...] | None],
)
def test_the_example_of_a_list_can_be_typed(kind):
    config = attrs.make_class("Config", {"value": attrs.field(type=kind, metadata={})})
    assert structure(config, {"value": typed_example(kind)}, "x").value


def test_what_is_no_list_needs_no_example():
    assert [typed_example(kind) for kind in (int, str, float | None)] == ["", "", ""]


def test_all_problems_are_told_at_once():
    with pytest.raises(PoseplugError) as caught:
        read(coutn=3, rate=7, on="maybe")
    assert len(str(caught.value).splitlines()) == 3


def test_a_setting_may_be_of_several_types():
    @attrs.frozen(kw_only=True)
    class Either:
        size: int | float | None = setting(None, "a count or a share")

    assert [structure(Either, {"size": text}, "x").size for text in ("3", "0.5", "none")] == [3, 0.5, None]
    with pytest.raises(PoseplugError, match="expected a whole number or a number or none, got 'x'"):
        structure(Either, {"size": "x"}, "x")


def test_a_check_that_is_itself_wrong_is_no_fault_of_the_user():
    @attrs.frozen(kw_only=True)
    class Broken:
        size: int = setting(1, "count", check=lambda size: size.missing)

    with pytest.raises(AttributeError, match="missing"):
        structure(Broken, {"size": 2}, "x")


def test_settings_that_depend_on_each_other_are_refused_like_others():
    @attrs.frozen(kw_only=True)
    class Heads:
        channels: int = setting(64, "width")
        heads: int = setting(4, "attention heads")

        def __attrs_post_init__(self):
            if self.channels % self.heads:
                raise ValueError(f"channels must be a multiple of heads; got {self.channels} and {self.heads}")

    with pytest.raises(PoseplugError, match=r"^lifter 'x': channels must be a multiple of heads; got 64 and 5$"):
        structure(Heads, {"heads": "5"}, "lifter 'x'")


def test_a_required_setting_is_asked_for():
    with pytest.raises(PoseplugError, match=r"source 'bvh' needs the setting 'path' \(the data\)"):
        structure(Needy, {}, "source 'bvh'")


def test_configurations_survive_the_way_to_toml_and_back():
    config = read(count=4, maybe=None, words=["x"], where="some/file")
    assert Path(config.where) == Path.cwd() / "some" / "file"
    assert read(where="").where == ""
    assert read(**unstructure(config)) == config
