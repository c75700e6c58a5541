import sys
import textwrap
from importlib.metadata import EntryPoint

import pytest

from poseplug.core.errors import PoseplugError
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.discovery.manager import discover

GOOD = """
    from poseplug.registry import hookimpl
    POSEPLUG_API = 1
    @hookimpl
    def register_lifters(register):
        register("{name}", "{target}", summary="a lifter")
"""


class Dist:
    def __init__(self, name):
        self.metadata = f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n\nName: not this\n"

    def read_text(self, file):
        return self.metadata if file == "METADATA" else None


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a plugin module and returns its entry point."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, code, /, **values):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code.format(**values)))
        monkeypatch.delitem(sys.modules, name, raising=False)
        point = EntryPoint(name, name, "poseplug")
        vars(point).update(dist=Dist(f"dist-{name}"))
        return point

    return write


def catalogue(*points):
    return load_catalogue(discover(points))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("POSEPLUG_API = 99", "PoseplugError: written for plugin API 99, this poseplug has 1"),
        ("raise SystemError('line one\\nline two')", "SystemError: line one"),
        (
            "from poseplug.registry import hookimpl\n@hookimpl\ndef register_lifter(register): pass",
            "unknown hook 'register_lifter'",
        ),
        (
            "from poseplug.registry import hookimpl\n@hookimpl\ndef register_lifters(register):\n"
            "    register('a:b', 'c', summary='')",
            "registers the lifter name 'a:b'",
        ),
        (
            "from poseplug.registry import hookimpl\n@hookimpl\ndef register_lifters(register):\n"
            "    register('a', 'c', summary='')\n    register('a', 'd', summary='')",
            "registers lifter 'a' twice",
        ),
    ],
)
def test_a_broken_plugin_is_reported_and_the_others_work(plugin, code, problem):
    found = catalogue(plugin("broken_one", code), plugin("fine_one", GOOD, name="fine", target="x:Y"))
    states = {p.name: p.problem for p in found.plugins}
    assert problem in states["broken_one"]
    assert "\n" not in states["broken_one"]
    assert states["fine_one"] == ""
    assert [e.name for e in found.of("lifter")] == ["fine"]


def test_strict_mode_raises_a_plugins_own_error(plugin, monkeypatch):
    monkeypatch.setenv("POSEPLUG_STRICT", "1")
    with pytest.raises(ModuleNotFoundError):
        discover([plugin("broken_one", "import no_such_module")])


def test_a_clash_names_both_distributions_and_a_prefix_picks_one(plugin):
    found = catalogue(*(plugin(n, GOOD, name="same", target=f"{n}:Y") for n in ("one_p", "two_p")))
    assert list(found.clashes()) == [("lifter", "same", ["dist-one_p", "dist-two_p"])]
    with pytest.raises(PoseplugError, match="say 'dist-one_p:same' or 'dist-two_p:same'"):
        found.find("lifter", "same")
    assert found.find("lifter", "dist-two_p:same").target == "two_p:Y"


def test_an_unknown_name_gets_the_nearest_and_the_plugins_that_failed(plugin):
    found = catalogue(plugin("broken_one", "1/0"), plugin("fine_one", GOOD, name="semgcn", target="x:Y"))
    with pytest.raises(PoseplugError, match=r"no lifter 'smegcn'. Did you mean 'semgcn'\?.*failed to load: broken_one"):
        found.find("lifter", "smegcn")
    with pytest.raises(PoseplugError, match="no source 'semgcn'. 'semgcn' is a lifter"):
        found.find("source", "semgcn")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module:Y", "cannot be loaded from 'no_such_module:Y'"),
        ("toys:Nothing", "cannot be loaded from 'toys:Nothing'"),
        ("toys:STAR", "is not a Lifter"),
        ("toys:StarSource", "is not a Lifter"),
        ("poseplug.core.interfaces:Lifter", "is incomplete: it lacks forward"),
    ],
)
def test_a_component_that_is_none_is_refused_when_used(plugin, target, message):
    found = catalogue(plugin("odd_one", GOOD, name="odd", target=target))
    with pytest.raises(PoseplugError, match=message):
        found.find("lifter", "odd").load()


def test_everything_that_ships_loads_and_explains_itself():
    import attrs

    found = load_catalogue()
    assert not [p for p in found.plugins if p.problem]
    for entry in found.entries:
        assert entry.summary
        if entry.is_component:
            config = entry.load().Config
            assert entry.load().__doc__
            assert all(field.metadata["doc"] for field in attrs.fields(config))
