"""``poseplug new``: what it writes, and what it refuses to write."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from installed import leave_facts, run_its_tests

from poseplug.core.errors import PoseplugError
from poseplug.core.kinds import example_names
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.scaffold import choose_names, example_of, render_plugin

ROOT = Path(__file__).resolve().parents[2]


def test_a_package_is_written_and_the_next_commands_are_told(poseplug, tmp_path):
    result = poseplug(
        "new", "tiny-lifter", "--kind", "lifter", "--author", 'Ada "Countess" Lovelace', "--into", "deep/down"
    )
    assert result.exit_code == 0, result.stderr
    folder = tmp_path / "deep/down/poseplug-tiny-lifter"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        ".gitignore",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "src/poseplug_tiny_lifter/__init__.py",
        "src/poseplug_tiny_lifter/py.typed",
        "src/poseplug_tiny_lifter/recipes/tiny_lifter.toml",
        "src/poseplug_tiny_lifter/tiny_lifter.py",
        "tests/test_tiny_lifter.py",
    }
    facts = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert facts["entry-points"]["poseplug"] == {"tiny_lifter": "poseplug_tiny_lifter"}
    assert facts["authors"] == [{"name": 'Ada "Countess" Lovelace'}]
    assert facts["dependencies"] == ["poseplug>=0.1,<0.2"]
    assert re.search(r'Copyright \(c\) 20\d\d Ada "Countess" Lovelace', (folder / "LICENSE").read_text())
    assert result.stdout.splitlines() == [
        f"pip install -e '{folder}[test]'",
        "poseplug check tiny_lifter",
        "poseplug run --recipe tiny_lifter",
    ]
    assert list(tmp_path.iterdir()) == [tmp_path / "deep"]


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("Tiny", "lifter", "'Tiny' cannot name a plugin"),
        ("2d-net", "lifter", "'2d-net' cannot name a plugin"),
        ("tiny--net", "lifter", "'tiny--net' cannot name a plugin"),
        ("../elsewhere", "lifter", "'../elsewhere' cannot name a plugin"),
        ("x" * 31, "lifter", "at most 30 lowercase letters"),
        ("class", "lifter", "'class' is a word of Python's"),
        ("none", "lifter", "'none' is a word of Python's"),
        ("lifter", "lifter", "The class of 'lifter' would be Lifter, a word that its module uses for something else"),
        ("pose-batch", "augmentor", "The class of 'pose_batch' would be PoseBatch"),
        ("semgcn", "lifter", "There is a lifter 'semgcn' already, in poseplug-baselines"),
        ("posegu", "lifter", "There is a recipe 'posegu' already, in poseplug-posegu"),
        ("loggers", "lifter", "A plugin 'loggers' is installed already, by poseplug-loggers"),
        ("core", "lifter", "A plugin 'core' is installed already, by poseplug"),
        ("tiny", "liter", r"There is no kind 'liter'. Did you mean 'lifter'\?"),
        ("there", "lifter", "'poseplug-there' exists already"),
    ],
)
def test_names_that_cannot_be_are_refused_and_nothing_is_written(poseplug, tmp_path, name, kind, message):
    (tmp_path / "poseplug-there").mkdir()
    result = poseplug("new", name, "--kind", kind)
    assert result.exit_code == 2
    assert re.search(message, result.stderr), result.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["poseplug-there"]


def test_a_folder_that_cannot_be_written_is_named(poseplug, tmp_path):
    (tmp_path / "file").write_text("")
    result = poseplug("new", "tiny", "--kind", "lifter", "--into", "file")
    assert result.exit_code == 2
    assert "Cannot write 'file/poseplug-tiny'" in result.stderr
    assert "--into" in result.stderr


def test_a_name_is_free_for_another_kind(poseplug):
    assert poseplug("new", "semgcn", "--kind", "source").exit_code == 0


def test_a_data_set_is_a_source(poseplug, tmp_path):
    result = poseplug("new", "studio", "--kind", "dataset")
    assert result.stdout.splitlines()[2:] == [
        "python -m poseplug_studio.studio example-data",
        "poseplug run --recipe studio",
    ]
    assert "def register_sources(" in (tmp_path / "poseplug-studio/src/poseplug_studio/__init__.py").read_text()
    assert "dataset" in " ".join(poseplug("new", "--help").stdout.split())
    taken = poseplug("new", "builtin", "--kind", "dataset")
    assert "There is a source 'builtin' already, in poseplug-datasets" in taken.stderr


def test_the_tests_of_a_data_set_pass_as_they_are_written(tmp_path):
    printed = run_its_tests(tmp_path, render_plugin(choose_names("studio"), "dataset"))
    assert "1 skipped" in printed  # it decides its skeleton itself


def test_names_go_together():
    names = choose_names("poseplug-tiny_2d-net")
    assert (names.name, names.cls) == ("tiny_2d_net", "Tiny2dNet")
    assert (names.distribution, names.package) == ("poseplug-tiny-2d-net", "poseplug_tiny_2d_net")


@pytest.mark.parametrize("kind", [name for name in example_names() if not example_of(name).trains])
def test_recipes_and_examples_fit_what_is_installed(kind):
    """Every name in a recipe but the plugin's own is that of a part that ships."""
    contents = render_plugin(choose_names("tiny"), kind)
    recipe = tomllib.loads(contents["src/poseplug_tiny/recipes/tiny.toml"])
    tables = [
        t for value in recipe.values() for t in (value if isinstance(value, list) else [value]) if isinstance(t, dict)
    ]
    named = {table["name"] for table in tables}
    assert "tiny" in named
    assert named - {"tiny"} <= {entry.name for entry in load_catalogue().entries}
    assert "$" not in "".join(contents.values())


@pytest.mark.parametrize("kind", example_names())
def test_recipes_can_be_planned(poseplug, tmp_path, monkeypatch, kind):
    """Every setting in a recipe is one of what it names."""
    names = choose_names(f"planned-{kind}")
    for path, text in render_plugin(names, kind).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    leave_facts(tmp_path / "src", names.distribution, names.package)
    monkeypatch.syspath_prepend(tmp_path / "src")
    *first, train = example_of(kind).commands(names)
    for command in first:
        program, *words = shlex.split(command)
        assert program == "python"
        paths = os.pathsep.join([str(tmp_path / "src"), *sys.path])
        subprocess.run([sys.executable, *words], check=True, env={**os.environ, "PYTHONPATH": paths})
    result = poseplug(*shlex.split(train)[1:], "--dry-run")
    assert result.exit_code == 0, result.stderr
    assert names.name in result.stdout + result.stderr


def test_a_reserved_class_name_is_known_to_be_one_for_its_kind_only():
    assert render_plugin(choose_names("tensor"), "hook")
    with pytest.raises(PoseplugError, match="would be Tensor"):
        render_plugin(choose_names("tensor"), "lifter")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Packages of every kind, with a short name and with the longest: formatting depends on the length of names."""
    folder = tmp_path_factory.mktemp("written")
    for kind in example_names():
        for name in (f"ab_{kind}"[:9], f"a_very_long_name_for_one_{kind}"[:30].rstrip("_")):
            names = choose_names(name)
            for path, text in render_plugin(names, kind).items():
                file = folder / names.distribution / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
    return folder


def test_what_is_written_is_formatted_and_linted(written):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    lint = [f"--select={','.join(settings['select'])}", f"--ignore={','.join(settings['ignore'])}"]
    lint += ["--config", f"lint.per-file-ignores = {{ '**/tests/**' = {json.dumps(['ARG', 'D'])} }}"]
    for command in (["format", "--check"], ["check", *lint]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."], cwd=written, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_line_of_a_recipe_is_too_long(written):
    lines = [line for file in written.rglob("*.toml") for line in file.read_text().splitlines() if line[:1] == "#"]
    assert lines
    assert max(map(len, lines)) <= 120


TRANSFORMER = """
    def __init__(self, config, context):
        super().__init__()
        self.embed = nn.Linear(2, 32)
        self.place = nn.Parameter(0.1 * torch.randn(context.layout.num_joints, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2)
        self.out = nn.Linear(32, 3)

    def forward(self, joints_2d, **inputs):
        return self.out(self.layers(self.embed(joints_2d) + self.place))
"""


def test_the_written_test_of_a_lifter_lets_other_networks_pass(tmp_path):
    """A small transformer in the place of the example learns what the example's test asks for."""
    contents = render_plugin(choose_names("tiny"), "lifter")
    module = contents["src/poseplug_tiny/tiny.py"]
    (tmp_path / "poseplug_tiny").mkdir()
    (tmp_path / "poseplug_tiny/__init__.py").write_text("")
    start, end = module.index("    def __init__(self, config: TinyConfig"), module.index("class Block(")
    (tmp_path / "poseplug_tiny/tiny.py").write_text(module[:start] + TRANSFORMER.lstrip("\n") + "\n\n" + module[end:])
    (tmp_path / "test_tiny.py").write_text(contents["tests/test_tiny.py"])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "by_heart", "test_tiny.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.slow
def test_what_is_written_has_types(written):
    command = [sys.executable, "-m", "mypy", "--strict", *map(str, sorted(written.glob("poseplug-ab-*/src")))]
    done = subprocess.run(command, cwd=written, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
