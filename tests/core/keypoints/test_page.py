"""docs/keypoints.md names every format and every skeleton, and its skeleton is one."""

from pages import ROOT, blocks

from poseplug.core.geometry.layouts import LAYOUTS
from poseplug.core.geometry.own_layout import find_layout
from poseplug.core.keypoints.open_keypoints import FORMATS

PAGE = ROOT / "docs" / "keypoints.md"


def test_all_are_named():
    text = PAGE.read_text()
    assert [known.name for known in FORMATS if f"\n| `{known.name}` |" not in text] == []
    assert [name for name in LAYOUTS if f"`{name}`" not in text] == []


def test_the_skeleton(tmp_path):
    (tmp_path / "lab.toml").write_text(next(iter(blocks(PAGE, "toml"))))
    own = find_layout(str(tmp_path / "lab.toml"))
    assert own.skeleton.joints[-1] == "skull"
    assert {*own.made} == {"Hip", "LHip", "Thorax", "Head"}
