"""plugins/README.md: its code is what ``poseplug new`` writes or another test runs, its edit works, its commands exist.

``python tests/scaffold/test_readme.py`` copies the code into it anew.
"""

import ast
import re
import shlex
import textwrap
from pathlib import Path

import pytest
from installed import run_its_tests

from poseplug.registry.scaffold import choose_names, render_plugin

README = Path(__file__).resolve().parents[2] / "plugins" / "README.md"
CODE = re.compile(r"<!-- (code|edit|file): (.*?) -->\n```(?:python|toml)\n(.*?)```\n", re.DOTALL)

BLOCKS = CODE.findall(README.read_text())


def excerpt(what, marker):
    """Return what belongs under a marker.

    code: NAME KIND [FILE], and the names of the classes and functions to show. file: FILE and such names.
    """
    if what == "file":
        file, *shown = marker.split()
        text = (Path(__file__).parent / file).read_text()
        return "\n\n\n".join(textwrap.dedent(definition(text, each)) for each in shown) + "\n"
    name, kind, *shown = marker.split()
    names = choose_names(name)
    file = shown.pop(0) if "." in shown[0] else f"{names.name}.py"
    text = render_plugin(names, kind)[f"src/{names.package}/{file}"]
    return "\n\n\n".join(definition(text, each) for each in shown) + "\n" if shown else text


def definition(text, name):
    """Return the source of a class or function, decorators included."""
    (node,) = (n for n in ast.walk(ast.parse(text)) if getattr(n, "name", None) == name)
    first = min([node, *node.decorator_list], key=lambda n: n.lineno)
    return "\n".join(text.splitlines()[first.lineno - 1 : node.end_lineno])


@pytest.mark.parametrize(
    ("what", "marker", "block"), [pytest.param(*found, id=found[1]) for found in BLOCKS if found[0] != "edit"]
)
def test_the_code_is_what_new_writes(what, marker, block):
    assert block == excerpt(what, marker), "python tests/scaffold/test_readme.py copies it anew"


def test_every_example_is_shown():
    from poseplug.core.kinds import example_names

    assert {marker.split()[1] for what, marker, _ in BLOCKS if what == "code"} == set(example_names())


EDITS = {
    "src/poseplug_camera_height/camera_height.py": (
        (
            "from poseplug.core.interfaces",
            "from poseplug.core.errors import PoseplugError\nfrom poseplug.core.interfaces",
        ),
    ),
    "tests/test_camera_height.py": (
        ("from poseplug.registry", "from poseplug.core.geometry.viewpoints import ViewRange\nfrom poseplug.registry"),
        ("2.0", "0.7"),
        ("8.0", "0.1"),
    ),
}


def test_the_worked_example_passes_its_tests(tmp_path):
    contents = render_plugin(choose_names("camera-height"), "reweighter")
    blocks = [(marker.split()[-1], block) for what, marker, block in BLOCKS if what == "edit"]
    for (path, replaced), (name, block) in zip(EDITS.items(), blocks, strict=True):
        contents[path] = contents[path].replace(definition(contents[path], name), block.rstrip("\n"))
        for old, new in replaced:
            assert old in contents[path]
            contents[path] = contents[path].replace(old, new)
    run_its_tests(tmp_path, contents)


def test_the_table_of_skeletons_is_right():
    from poseplug.core.geometry.layouts import H36M_16

    rows = re.findall(r"^\| `(\w+)` \| .* \| `([^`]*)` \|$", README.read_text(), re.MULTILINE)
    assert {name for name, _ in rows} >= {"joints", "parents", "pairs", "parts", "bones", "levels", "flip_index"}
    for name, shown in rows:
        value, told = getattr(H36M_16, name), ast.literal_eval(shown.replace(", ...", ""))
        if isinstance(told, dict):
            assert told.items() <= dict(value).items()
        else:
            assert (value if isinstance(value, int) else value[: len(told)]) == told, name
    assert '`index("LWrist")` is `12`' in README.read_text()
    assert H36M_16.index("LWrist") == 12


def commands():
    lines = [line.strip() for line in README.read_text().splitlines() if line.startswith("    ")]
    return [line for line in lines if line.startswith("poseplug ")]


@pytest.mark.parametrize("line", commands())
def test_its_commands_and_flags_exist(line):
    from typer.main import get_command

    from poseplug.cli.main import app

    root = get_command(app)
    words = shlex.split(line)[1:]
    verb = next(word for word in words if word in root.commands)
    flags = {flag for command in (root, root.commands[verb]) for p in command.params for flag in p.opts}
    assert {word for word in words if word.startswith("--")} <= flags


def test_its_links_lead_somewhere():
    text = README.read_text()
    headings = {
        re.sub(r"[^a-z -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#(.*?)\)", text)) <= headings
    assert all((README.parent / path).exists() for path in re.findall(r"\]\(([^#)]+)", text))


if __name__ == "__main__":

    def fill(match):
        what, marker, block = match.groups()
        return (
            match.group().removesuffix(f"{block}```\n") + (block if what == "edit" else excerpt(what, marker)) + "```\n"
        )

    README.write_text(CODE.sub(fill, README.read_text()))
