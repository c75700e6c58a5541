"""The CUDA path: everything stays on the device, no step waits for it, and the numbers are those of the CPU."""

import json

import pytest
import torch

from poseplug.registry.build import build, make_plan
from poseplug.registry.catalogue import load_catalogue

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
        "augmentor": [{"name": "rigid"}, {"name": "jitter"}],
        "lifter": {"name": lifter},
        "steps": 20,
        "batch_size": 64,
        **changes,
    }
    return make_plan(document, load_catalogue())


@pytest.mark.parametrize("lifter", LIFTERS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_never_waits_for_the_device(lifter, precision):
    from poseplug.core.engine import Trainer

    device = torch.device("cuda", 0)
    run = build(plan(lifter, precision=precision), load_catalogue(), device)
    trainer = Trainer(run.assembly, run.training, device)
    trainer.fit_statistics()
    trainer._modules.train()
    for step in range(3):  # caches are filled and kernels chosen
        trainer._runner.run(step, 0.0, trainer._schedule.at(step))
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses = trainer._runner.run(3, 0.1, trainer._schedule.at(3))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(loss.device == device for loss in losses.values())


@pytest.mark.parametrize("lifter", LIFTERS)
def test_a_model_says_the_same_on_both_devices(lifter):
    from poseplug.core.evaluate import evaluate

    found = []
    catalogue = load_catalogue()
    run = build(plan(lifter), catalogue, torch.device("cpu"))
    for device in ("cpu", "cuda"):
        sources = build(plan(lifter), catalogue, torch.device(device)).evaluations
        metrics = evaluate(run.assembly.model.to(device), sources["builtin"], plan(lifter).protocol).metrics
        found.append(metrics)
    assert found[1] == pytest.approx(found[0], rel=1e-3)


def test_an_adversarial_step_never_waits_for_the_device():
    from poseplug.core.engine import Trainer

    device = torch.device("cuda", 0)
    phases = [
        {"name": "augment", "steps": 4, "trains": ["augmentor", "discriminator"], "keep": True},
        {"name": "real", "steps": 4, "trains": ["lifter"], "poses": "drawn"},
    ]
    parts = {"augmentor": [{"name": "poseaug"}], "discriminator": [{"name": "kcs_part"}, {"name": "pose2d"}]}
    adversarial = plan("videopose", phase=phases, **parts)
    run = build(adversarial, load_catalogue(), device)
    trainer = Trainer(run.assembly, run.training, device, phases=adversarial.phases)
    trainer.fit_statistics()
    trainer._modules.train()
    for step in range(16):
        if step == 8:
            torch.cuda.set_sync_debug_mode("error")
        try:
            trainer._runner.run(step, 0.0, trainer._schedule.at(step))
        except BaseException:
            torch.cuda.set_sync_debug_mode("default")
            raise
    torch.cuda.set_sync_debug_mode("default")


def test_a_run_trains_and_resumes_on_the_gpu(poseplug):
    result = poseplug(
        "run", "--lifter", "mlp:channels=64", "--steps", "60", "--device", "cuda", "--out", "here", "--json"
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["device"].startswith("cuda:0 (")
    assert poseplug("run", "--resume", "here", "--device", "cuda").exit_code == 0
