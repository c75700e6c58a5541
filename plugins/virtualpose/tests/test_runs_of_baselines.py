"""The baselines in whole runs, from training to pictures of what they say."""

import json

import pytest


@pytest.mark.parametrize("root", ["tbs:channels=2,crop=16", "tif:channels=2,stride=1,hidden=8", "bdr:channels=2"])
def test_a_run_says_where_given_people_are(poseplug, root):
    parts = ("--source", "virtual_scenes", "--reference", "builtin:takes=1,frames=4", "--root", root)
    small = ("--input", "maps:height=16,width=32", "--lifter", "mlp:channels=8", "--steps", 2, "--set", "batch_size=2")
    tested = ("--eval", "scenes=virtual_scenes:people=builtin:takes=1,length=3")
    done = poseplug("run", *parts, *small, *tested, "--out", "run")
    assert done.exit_code == 0, done.stderr
    result = json.loads((done.folder / "run" / "result.json").read_text())
    assert result["metrics"]["scenes"]["mrpe_z_mm"] > 0
    if root.startswith("tbs"):
        picture = ("--show", "scenes", "--model", "run", "--rows", 1)
        done = poseplug("data", "plot", "virtual_scenes:people=builtin:takes=1", "scenes.png", *picture)
        assert done.exit_code == 0, done.stderr
        assert "depth, mm" in done.stdout
        assert (done.folder / "scenes.png").stat().st_size > 10_000
