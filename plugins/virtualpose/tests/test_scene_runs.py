"""Parts that see people one by one, trained on scenes."""

import json

import pytest
import torch

from poseplug.core.storage.run_directory import RunDirectory
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.execute import execute
from poseplug.registry.runs.plan import make_plan

PEOPLE = {"name": "virtual_scenes", "people": "builtin:takes=1,frames=16"}
SET = {"scenes": {**PEOPLE, "length": 10}}
BUILTIN = {"name": "builtin", "takes": 1, "frames": 16}


@pytest.mark.parametrize(
    "parts",
    [
        {"source": [PEOPLE]},
        {"source": [PEOPLE, BUILTIN], "augmentor": [{"name": "rigid"}, {"name": "jitter"}]},
        {
            "source": [{**PEOPLE, "people": ""}],
            "reference": BUILTIN,
            "reweighter": {"name": "cips", "fit_samples": 2000},
        },
        {"source": [BUILTIN], "augmentor": [{"name": "jitter"}, {"name": "placed", "count": 3}]},
        {
            "source": [{**PEOPLE, "count": 1, "count_max": 4}],
            "augmentor": [{"name": "poseaug"}],
            "discriminator": [{"name": "kcs_part"}, {"name": "pose2d"}],
        },
    ],
    ids=["plain", "views and bones", "weights", "placed", "poseaug"],
)
def test_runs_on_scenes(parts, tmp_path):
    document = {"steps": 3, "batch_size": 5, "lifter": {"name": "mlp", "channels": 8}, "eval": SET, **parts}
    catalogue = load_catalogue()
    run = RunDirectory(tmp_path / "run")
    execute(make_plan(document, catalogue), catalogue, torch.device("cpu"), run)
    result = json.loads(run.result.read_text())
    assert 30 <= result["poses"]["scenes"] <= 40  # ten scenes of four, without those who are outside of the image
    assert 0 < result["metrics"]["scenes"]["mpjpe_mm"] < 1e5


def test_a_run_on_scenes_is_evaluated_on_other_scenes_unless_told_otherwise():
    catalogue = load_catalogue()
    (part,) = make_plan({"source": [{**PEOPLE, "seed": 4}]}, catalogue).parts.several("eval").values()
    assert (part.name, part.config.seed, part.config.length) == ("virtual_scenes", 5, 256)
    (part,) = make_plan({"source": [{**PEOPLE}], "eval": SET}, catalogue).parts.several("eval").values()
    assert part.config.length == 10
