"""Each paper's recipe on data in the layout of Human3.6M, measured as that paper measures."""

import json

import pytest

from poseplug.registry.discovery.catalogue import load_catalogue

POSEAUG = ["--source", "h36m:path=H36M", "--protocol", "poseaug-h36m"]
TWO_D = ["--source", "h36m:path=H36M,skeleton=h36m17", "--protocol", "pose2drep"]
EVOLVED = ["--reference", "h36m:path=H36M,skeleton=h36m17", "--protocol", "evoskeleton"]
# The flags that point a recipe at the data and at its paper's protocol, as docs/data.md has them.
FLAGS = {
    "poseaug": POSEAUG,
    "poseaug-paper": POSEAUG,
    "posegu": ["--reference", "h36m:path=H36M", "--protocol", "poseaug-h36m"],
    **dict.fromkeys(("full2d", "independent-legtorso", "independent-limbs"), TWO_D),
    **dict.fromkeys(("splitcombine-legtorso", "splitcombine-limbs"), TWO_D),
    **dict.fromkeys(("evoskeleton", "evoskeleton-weak"), EVOLVED),
    "evoskeleton-cascade": [*TWO_D[:2], *EVOLVED[2:]],
}
CYCLE = [f"phase.{i}.{key}=1" for i in range(4) for key in ("steps", "first_cycle")]
# So that a run takes seconds: every phase for a step, and few generated poses.
SHORT = {"poseaug": CYCLE, "poseaug-paper": CYCLE, "posegu": ["source.poses=200"]}
# What the fact sheets say: joints, root, alignment, flip, mean.
SIMILARITY = ["rotation", "translation", "scale"]
PROTOCOL = {
    "poseaug-h36m": ("h36m16", 16, "counted", SIMILARITY, False, "poses"),
    "pose2drep": ("h36m17", 16, "excluded", [*SIMILARITY, "reflection"], False, "poses"),
    "evoskeleton": ("h36m17", 17, "unaligned", SIMILARITY, False, "actions"),
    "h36m": ("h36m17", 17, "counted", SIMILARITY, False, "actions"),
    "videopose3d": ("h36m17", 17, "counted", SIMILARITY, True, "actions"),
}


@pytest.fixture
def data(tmp_path, monkeypatch):
    from poseplug_datasets.h36m import H36M

    monkeypatch.chdir(tmp_path)
    (tmp_path / "H36M").mkdir()
    H36M.example_settings(tmp_path / "H36M")


def trained(poseplug, *flags):
    result = poseplug("run", *flags, "--steps", "5", "--batch-size", "16", "--out", "run", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def check(result, name):
    protocol = result["protocol"]
    keys = ("skeleton", "joints", "root", "alignment", "flip", "average")
    assert (protocol["name"], tuple(protocol[key] for key in keys)) == (name, PROTOCOL[name])
    # S9 and S11, fifteen actions of three frames, four cameras.
    assert result["poses"] == {"h36m": 2 * 15 * 3 * 4}
    actions, mean = result["per_action"]["h36m"], result["metrics"]["h36m"]
    assert len(actions) == 15
    assert all(figures["mpjpe_mm"] > 0 for figures in actions.values())
    # Actions are equally long here, so that the two kinds of mean are one.
    assert mean["p_mpjpe_mm"] == pytest.approx(sum(figures["p_mpjpe_mm"] for figures in actions.values()) / 15)


def test_every_recipe_is_tried():
    named = {entry.name for entry in load_catalogue().of("recipe")}
    # VirtualPose's are of scenes and images, which Human3.6M has none of.
    assert {name for name in named if not name.startswith("virtualpose")} == FLAGS.keys()


@pytest.mark.parametrize("recipe", FLAGS)
def test_a_recipe_runs_on_it_and_is_measured_as_its_paper_measures(recipe, poseplug, data):
    settings = [part for setting in SHORT.get(recipe, []) for part in ("--set", setting)]
    result = trained(poseplug, "--recipe", recipe, *FLAGS[recipe], *settings)
    check(result, FLAGS[recipe][-1])


@pytest.mark.parametrize("protocol", ["h36m", "videopose3d"])
def test_a_lifter_on_seventeen_joints_is_measured_as_most_do(protocol, poseplug, data):
    source = "h36m:path=H36M,skeleton=h36m17"
    result = trained(poseplug, "--source", source, "--lifter", "mlp:channels=8", "--protocol", protocol)
    check(result, protocol)
