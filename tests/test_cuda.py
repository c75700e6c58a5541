"""The CUDA path: everything stays on the device, no step waits for it, and the numbers are those of the CPU."""

import json

import pytest
import torch

from poseplug.core.training.trainer import Trainer
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.build import build
from poseplug.registry.runs.plan import make_plan

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]
LIFTERS = ["mlp", "videopose", "semgcn", "stgcn"]


def plan(lifter, **changes):
    document = {
        "source": [{"name": "fk_generator"}],
        "reference": {"name": "builtin"},
        "reweighter": {"name": "cips"},
        "augmentor": [{"name": "rigid"}, {"name": "jitter"}, {"name": "detector_noise"}],
        "lifter": {"name": lifter},
        "steps": 20,
        "batch_size": 64,
        **changes,
    }
    return make_plan(document, load_catalogue())


def step_without_waiting(plan, warm, checked):
    """Take some steps, and then some more in which waiting for the device is an error; return the last losses."""
    device = torch.device("cuda", 0)
    run = build(plan, load_catalogue(), device)
    trainer = Trainer(run.assembly, run.training, device, phases=plan.phases)
    trainer.fit_statistics()
    trainer._modules.train()
    for step in range(warm):  # caches are filled and kernels chosen
        trainer._one_step.run(trainer._schedule.at(step))
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(warm, warm + checked):
            losses = trainer._one_step.run(trainer._schedule.at(step))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(loss.device == device for loss in losses.values())
    return losses


@pytest.mark.parametrize("lifter", LIFTERS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_never_waits_for_the_device(lifter, precision):
    step_without_waiting(plan(lifter, precision=precision), 3, 1)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("lifter", ["full2d", "splitcombine_limbs", "independent_legtorso", "semgcn"])
def test_a_step_without_labels_never_waits_for_the_device(lifter, seeds):
    document = {"lifter": {"name": lifter}, "objective": {"name": "reprojection"}, "steps": 20, "batch_size": 64}
    losses = step_without_waiting(make_plan({**document, "seeds": seeds}, load_catalogue()), 3, 2)
    assert {"cycle", "right_angle"} <= losses.keys()


@pytest.mark.parametrize("lifter", LIFTERS)
def test_a_model_says_the_same_on_both_devices(lifter):
    from poseplug.core.evaluation.evaluate import evaluate

    found = []
    catalogue = load_catalogue()
    run = build(plan(lifter), catalogue, torch.device("cpu"))
    for device in ("cpu", "cuda"):
        sources = build(plan(lifter), catalogue, torch.device(device)).evaluations
        metrics = evaluate(run.assembly.model.to(device), sources["builtin"], plan(lifter).protocol).metrics
        found.append(metrics)
    assert found[1] == pytest.approx(found[0], rel=1e-3)


def test_an_adversarial_step_never_waits_for_the_device():
    phases = [
        {"name": "augment", "steps": 4, "trains": ["augmentor", "discriminator"], "keep": True},
        {"name": "real", "steps": 4, "trains": ["lifter"], "poses": "drawn"},
    ]
    parts = {"augmentor": [{"name": "poseaug"}], "discriminator": [{"name": "kcs_part"}, {"name": "pose2d"}]}
    step_without_waiting(plan("videopose", phase=phases, **parts), 8, 8)


@pytest.mark.parametrize("then", ["replace", "weigh", "report"])
def test_joint_limits_never_wait_for_the_device(then):
    parts = {
        "source": [{"name": "within_limits", "of": "fk_generator"}],
        "augmentor": [{"name": "poseaug"}, {"name": "joint_limits", "then": then}],
        "discriminator": [{"name": "joint_limits"}],
        "objective": {"name": "anatomical", "unlabelled": "fk_generator"},
    }
    step_without_waiting(plan("mlp", **parts), 4, 2)


def test_a_run_trains_and_resumes_on_the_gpu(poseplug):
    result = poseplug(
        "run", "--lifter", "mlp:channels=64", "--steps", "60", "--device", "cuda", "--out", "here", "--json"
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["device"].startswith("cuda:0 (")
    assert poseplug("run", "--resume", "here", "--device", "cuda").exit_code == 0
