"""What the project's pages say about the project is so: links, parts, rooms, paths, names."""

import re
import tomllib

import pytest
from pages import PAGES, ROOT, anchors, blocks, links, named

README, GLOSSARY = ROOT / "README.md", ROOT / "docs" / "glossary.md"
ARCHITECTURE, CONTRIBUTING = ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "plugins" / "README.md"], ids=named)
def test_links_lead_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_found():
    text = README.read_text()
    assert [page for page in PAGES if page.parent.name == "docs" and f"docs/{page.name}" not in text] == []


def test_the_front_page_is_short():
    assert len(README.read_text().splitlines()) < 120


def test_the_two_commands_are_what_ci_runs():
    install, tests = blocks(README, "sh")[:2]
    main = "poseplug run --source fk_generator --reweight cips --lifter semgcn"
    assert (
        install.split()
        == (
            f"python3 -m venv .venv && . .venv/bin/activate && pip install -r requirements-dev.txt && \\ {main}"
        ).split()
    )
    assert tests == ". .venv/bin/activate && pytest -n 2\n"
    script = (ROOT / ".ci" / "run").read_text()
    assert main in script
    assert "pip install --quiet -r requirements-dev.txt" in script
    assert "\npytest -n 2\n" in script


def test_the_table_of_parts_knows_every_kind_and_names_no_part_that_is_not_there():
    from typer.main import get_command

    from poseplug.cli.main import app
    from poseplug.registry.discovery.catalogue import load_catalogue

    lines = README.read_text().splitlines()
    rows = {cells[1].strip(): cells for line in lines if len(cells := line.split("|")) == 5}
    entries = load_catalogue().entries
    named = {name for row in rows.values() for name in re.findall(r"`(\w+)`", row[3])}
    assert {"root estimator" if entry.kind == "root" else entry.kind for entry in entries} <= rows.keys()
    assert len(named) > 20
    assert named <= {entry.name for entry in entries}
    known = {flag for parameter in get_command(app).commands["run"].params for flag in parameter.opts}
    assert {flag for row in rows.values() for flag in re.findall(r"`(--\w+)`", row[2])} <= known


def test_rooms_stand_in_the_order_that_is_kept():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    kept = [
        [room for layer in contract["layers"] for room in layer.split(" | ")]
        for contract in contracts
        if contract["type"] == "layers" and "containers" in contract
    ]
    tables = re.findall(
        r"^\| .*, from the highest \| answers \|\n\|---\|---\|\n((?:\|.*\n)+)", ARCHITECTURE.read_text(), re.M
    )
    shown = [
        [room for row in table.splitlines() for room in re.findall(r"`(\w+)`", row.split("|")[1])] for table in tables
    ]
    assert shown == kept


@pytest.mark.parametrize("page", [ARCHITECTURE, CONTRIBUTING, GLOSSARY], ids=named)
def test_paths_exist(page):
    """Paths as the pages shorten them: ``core/...``, and in the glossary those of the core without it."""
    paths = re.findall(
        r"`((?:[\w*.-]+/)+(?:[\w*-]+\.(?:py|toml))?)`", page.read_text().partition("## Scenes of several")[0]
    )
    assert paths
    for path in paths:
        first, _, rest = path.partition("/")
        places = [path, f"{first}/poseplug/{first}/{rest}", f"core/poseplug/core/{path}"]
        assert any(list(ROOT.glob(place)) for place in places), path


def test_the_glossary_names_what_there_is():
    text = "\n".join(path.read_text() for part in ("core", "registry") for path in sorted((ROOT / part).rglob("*.py")))
    owner = ""
    for row in GLOSSARY.read_text().splitlines():
        for name in re.findall(r"`((?!\w+\.py`)\w*(?:\.\w+)?)`", row.split("|")[3] if row.count("|") == 4 else ""):
            before, _, attribute = name.partition(".")
            owner = before or owner
            assert not owner[0].isupper() or re.search(rf"^class {owner}\b", text, re.M), owner
            assert not attribute or re.search(rf"^    (?:def )?{attribute}\b", text, re.M), name
