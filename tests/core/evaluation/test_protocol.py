import json

import attrs
import pytest

from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.protocol import PROTOCOLS, Protocol, lookup
from poseplug.core.geometry.layouts import H36M_16, H36M_17


def test_default_is_the_benchmark() -> None:
    found = lookup("default").asdict(H36M_16)
    assert found["joints"] == 16
    assert found["root"] == "counted"
    assert found["alignment"] == ["rotation", "translation", "scale"]
    assert found["flip"] is False
    assert found["average"] == "poses"
    assert (found["pck_mm"], found["auc_max_mm"], found["auc_step_mm"]) == (150, 150, 5)


def test_presets_differ_where_the_papers_do() -> None:
    assert lookup("poseaug-3dhp") == attrs.evolve(
        lookup("poseaug-h36m"), flip=True, name="poseaug-3dhp", source=lookup("poseaug-3dhp").source
    )
    assert lookup("pose2drep").asdict(H36M_17)["joints"] == 16
    assert "reflection" in lookup("pose2drep").asdict(H36M_17)["alignment"]
    assert lookup("evoskeleton").root == "unaligned"
    assert lookup("evoskeleton").average == "actions"


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_preset_is_documented_and_can_be_stored(name: str) -> None:
    protocol = lookup(name)
    assert protocol.name == name
    assert len(protocol.source) > 30
    stored = protocol.asdict(H36M_16, finds=True)
    assert json.loads(json.dumps(stored)) == stored
    described = {field.name for field in attrs.fields(Protocol)} - {"source", "scale", "reflection"}
    assert described <= stored.keys(), "a field that changes numbers is missing beside them"


def test_unknown_name() -> None:
    with pytest.raises(PoseplugError, match="No protocol is called 'poseaug-h3m'. Did you mean 'poseaug-h36m'?"):
        lookup("poseaug-h3m")
