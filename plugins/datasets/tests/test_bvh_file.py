import re

import numpy as np
import pytest

from poseplug.core.errors import PoseplugError
from poseplug_datasets.mocap.bvh_file import read_bvh

SMALL = """HIERARCHY
ROOT Base
{
  OFFSET 0 1 2
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Tip
  {
    OFFSET 3 4 5
    CHANNELS 1 Yrotation
    End Site
    {
      OFFSET 0 0 7
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.0333333
1 2 3 4 5 6 7
8 9 10 11 12 13 14
15 16 17 18 19 20 21
"""


def read(tmp_path, text):
    path = tmp_path / "clip.bvh"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_bvh(path)


def test_contents(tmp_path):
    clip = read(tmp_path, SMALL)
    assert clip.names == ("Base", "Tip", "Tip/End")
    assert [joint.parent for joint in clip.joints] == [-1, 0, 1]
    assert [joint.offset for joint in clip.joints] == [(0, 1, 2), (3, 4, 5), (0, 0, 7)]
    assert clip.joints[1].channels == ("Yrotation",)
    assert clip.joints[2].channels == ()
    np.testing.assert_array_equal(clip.motion, np.arange(1.0, 22).reshape(3, 7))
    assert clip.frame_time == pytest.approx(1 / 30, rel=1e-5)


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace("  ", "\t").replace("Frames: ", "Frames:\t").replace("1 2 3", "\t1\t2 3\t"),
        lambda text: text.upper().replace("BASE", "Base").replace("TIP", "Tip"),
        lambda text: text.lower().replace("base", "Base").replace("tip", "Tip"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace("MOTION", "\n \nMOTION").rstrip("\n"),
        lambda text: text.replace("\n{", " {").replace("\n  {\n", " { ").replace("}\n  }", "} }"),
        lambda text: text.replace(" 8 9", " 8 9").replace("15 16", "1.5e1 +16.0").replace("3 4 5", "3 4E0 .5e+1"),
        lambda text: "\ufeff" + text,
    ],
    ids=["crlf", "cr", "tabs", "upper", "lower", "blank lines", "spacing", "braces", "scientific", "byte order mark"],
)
def test_ways_of_writing(tmp_path, written):
    expected, clip = read(tmp_path, SMALL), read(tmp_path, written(SMALL))
    assert clip.joints == expected.joints
    np.testing.assert_array_equal(clip.motion, expected.motion)


def test_names_with_spaces_and_several_end_sites(tmp_path):
    text = SMALL.replace("JOINT Tip", "JOINT Bip01 L Tip").replace(
        "    End Site", "    End Site\n{\nOFFSET 1 1 1\n}\nEnd Site"
    )
    assert read(tmp_path, text).names == ("Base", "Bip01 L Tip", "Bip01 L Tip/End", "Bip01 L Tip/End2")


# What is done to the file, the line the message names and what it says.
DAMAGE = {
    "truncated within a line": (lambda t: t[: t.index(" 19 20")], 21, "frame 3 has 4 of 7 numbers"),
    "truncated after a line": (lambda t: t[: t.index("15 16")], 20, "cut off: 2 of the 3 frames"),
    "no numbers at all": (lambda t: t[: t.index("1 2 3 4 5 6 7")], 18, "cut off: 0 of the 3 frames"),
    "more frames than announced": (
        lambda t: t.replace("Frames: 3", "Frames: 2"),
        21,
        "3 frames where 'Frames:' announces 2",
    ),
    "not a number": (lambda t: t.replace("11 12", "11 twelve"), 20, "frame 2 holds 'twelve'"),
    "two numbers run together": (lambda t: t.replace("9 10", "9-.5.10"), 20, "frame 2 holds '9-.5.10'"),
    "decimal comma": (lambda t: t.replace("16 17", "16 17,5"), 21, "frame 3 holds '17,5'"),
    "not a number by name": (lambda t: t.replace("11 12", "nan 12"), 20, "frame 2 holds 'nan'"),
    "infinite": (lambda t: t.replace("19 20", "-inf 20"), 21, "frame 3 holds '-inf'"),
    "overflowing": (lambda t: t.replace("19 20", "1e999 20"), 21, "frame 3 holds '1e999'"),
    "underscored": (lambda t: t.replace("16 17", "16 1_7"), 21, "frame 3 holds '1_7'"),
    "a number too many": (lambda t: t.replace("13 14", "13 14 15"), 20, "frame 2 has 8 of 7 numbers"),
    "lines that even out": (lambda t: t.replace("7\n8 9", "7 8\n9"), 19, "frame 1 has 8 of 7 numbers"),
    "no frames": (lambda t: t.replace("Frames: 3", "Frames: 0"), 17, "no frames"),
    "frame count unreadable": (lambda t: t.replace("Frames: 3", "Frames: many"), 17, "expected 'Frames: N'"),
    "frame time missing": (lambda t: t.replace("Frame Time: 0.0333333\n", ""), 18, "expected 'Frame Time"),
    "no motion": (lambda t: t[: t.index("MOTION")], 16, "before its MOTION part"),
    "hierarchy unfinished": (lambda t: t.replace("}\nMOTION", "MOTION"), 14, "hierarchy ends unfinished"),
    "brace too many": (lambda t: t.replace("}\nMOTION", "}\n}\nMOTION"), 16, "did not expect '}'"),
    "no brace": (lambda t: t.replace("JOINT Tip\n  {", "JOINT Tip"), 7, "expected '{' after joint 'Tip'"),
    "no offset": (lambda t: t.replace("    OFFSET 3 4 5\n", ""), 13, "'Tip' has no OFFSET"),
    "offset short": (lambda t: t.replace("OFFSET 3 4 5", "OFFSET 3 4"), 8, "OFFSET of 'Tip' must be three numbers"),
    "offset not finite": (
        lambda t: t.replace("OFFSET 3 4 5", "OFFSET 3 nan 5"),
        8,
        "OFFSET of 'Tip' must be three numbers",
    ),
    "channel unknown": (lambda t: t.replace("CHANNELS 1 Yrotation", "CHANNELS 1 Wrotation"), 9, "CHANNELS of 'Tip'"),
    "channel count": (lambda t: t.replace("CHANNELS 1 Yrotation", "CHANNELS 2 Yrotation"), 9, "CHANNELS of 'Tip'"),
    "two roots": (lambda t: t.replace("MOTION", "ROOT Other\n{\nOFFSET 0 0 0\n}\nMOTION"), 16, "a second ROOT 'Other'"),
    "joint twice": (lambda t: t.replace("JOINT Tip", "JOINT Base"), 6, "a second joint is called 'Base'"),
    "joint without a name": (lambda t: t.replace("JOINT Tip", "JOINT"), 6, "JOINT without a name"),
    "joint outside": (lambda t: t.replace("ROOT Base", "JOINT Base"), 2, "stands outside the ROOT"),
    "nonsense": (lambda t: t.replace("OFFSET 3 4 5", "OFSET 3 4 5"), 8, "did not expect 'OFSET 3 4 5'"),
    "another format": (lambda t: "<html>\n" + t, 1, "expected HIERARCHY, found '<html>'"),
    "no channels": (lambda t: re.sub("CHANNELS.*\n", "", t), 17, "frame 1 has 7 of 0 numbers"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage(tmp_path, case):
    spoil, line, reason = DAMAGE[case]
    text = spoil(SMALL)
    assert text != SMALL
    with pytest.raises(PoseplugError) as error:
        read(tmp_path, text)
    message = str(error.value)
    assert f"clip.bvh', line {line}: " in message
    assert reason in message
    assert "export the file again" in message


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "is empty"), (b" \r\n", "is empty"), (b"\x89PNG\0\0\xff" * 30, "line 1: not text but binary")],
)
def test_not_text(tmp_path, data, reason):
    with pytest.raises(PoseplugError, match=reason):
        read(tmp_path, data)


def test_missing_file(tmp_path):
    with pytest.raises(PoseplugError, match=r"Cannot read '.*no\.bvh': No such file.*check the path"):
        read_bvh(tmp_path / "no.bvh")
