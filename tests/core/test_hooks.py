import pytest
import torch
from toys import STAR, LinearLifter, StarSource, star_batch

from poseplug.core.errors import PoseplugError, TrainingFailed
from poseplug.core.hooks import HookSet, RunHook
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.training.assembly import Assembly
from poseplug.core.training.schedule import Training
from poseplug.core.training.supervised import Supervised
from poseplug.core.training.trainer import Trainer

CPU = torch.device("cpu")


def train(hooks, checkpoint=None, source=None, **settings):
    torch.manual_seed(0)
    model = LiftingModel(LinearLifter(), STAR)
    assembly = Assembly(source or StarSource(), Supervised(), model)
    settings = {"steps": 6, "batch_size": 8, "log_every": 2, "checkpoint_every": 4, **settings}
    Trainer(assembly, Training(**settings), CPU, checkpoint, hooks).run()
    return model.state_dict()


class Recorder(RunHook):
    def __init__(self):
        self.seen = []

    def on_batch(self, step, poses):
        self.seen.append(("batch", step, len(poses)))

    def on_step(self, step, losses):
        self.seen.append(("step", step, set(losses)))

    def on_log(self, step, means):
        self.seen.append(("log", step))

    def on_epoch(self, epoch):
        self.seen.append(("epoch", epoch))

    def on_checkpoint(self, step, path):
        self.seen.append(("checkpoint", step, path.exists()))


def test_a_hook_is_told_everything_in_order(tmp_path):
    recorder = Recorder()
    source = PoseTable(star_batch(24, torch.Generator().manual_seed(0)))
    train(HookSet({"r": recorder}), tmp_path / "state", source, steps=4)
    expected = []
    for step in (1, 2, 3, 4):
        expected += [("batch", step, 8), ("step", step, {"supervised"})]
        expected += [("epoch", 1)] * (step == 3) + [("log", step)] * (step % 2 == 0)
    assert recorder.seen == [*expected, ("checkpoint", 4, True)]


def test_watching_changes_nothing_and_replacing_poses_does():
    class Doubler(RunHook):
        def on_batch(self, step, poses):
            return poses.moved(poses.joints_3d * 2)

    plain, watched, replaced = (train(HookSet(h)) for h in ({}, {"r": Recorder()}, {"d": Doubler()}))
    assert all(torch.equal(plain[name], watched[name]) for name in plain)
    assert not torch.equal(plain["lifter.flat.weight"], replaced["lifter.flat.weight"])


def test_each_hook_is_handed_what_the_one_before_it_returned():
    class Times(RunHook):
        def __init__(self, factor):
            self.factor = factor

        def on_batch(self, step, poses):
            return poses.moved(poses.joints_3d * self.factor)

    first, both, product = (
        train(HookSet(dict(enumerate(hooks))))
        for hooks in ([Times(2)], [Times(2), Recorder(), Times(4)], [Times(8), Recorder()])
    )
    weight = "lifter.flat.weight"
    assert torch.equal(both[weight], product[weight])
    assert not torch.equal(first[weight], product[weight])


def test_a_hook_that_is_dropped_leaves_the_poses_to_the_others():
    class Failing(RunHook):
        def on_batch(self, step, poses):
            raise ZeroDivisionError

    class Emptying(RunHook):
        def on_batch(self, step, poses):
            return poses.select(slice(0, 3))

    recorder = Recorder()
    train(HookSet({"e": Emptying(), "f": Failing(), "r": recorder}, "drop"), steps=2)
    assert [entry for entry in recorder.seen if entry[0] == "batch"] == [("batch", 1, 3), ("batch", 2, 3)]


class Broken(RunHook):
    calls = 0

    def on_step(self, step, losses):
        self.calls += 1
        if step == 3:
            raise ZeroDivisionError("by nothing")


def test_a_hook_that_raises_stops_the_run_by_name():
    with pytest.raises(TrainingFailed, match=r"Hook 'b' failed in on_step \(ZeroDivisionError: by nothing\)"):
        train(HookSet({"b": Broken()}))


def test_a_hook_that_raises_is_dropped_with_a_warning_if_asked():
    broken, recorder, warnings = Broken(), Recorder(), []
    hooks = HookSet({"b": broken, "r": recorder}, "drop", warnings.append)
    train(hooks)
    assert broken.calls == 3
    assert hooks.dropped == {"b": "on_step: ZeroDivisionError: by nothing"}
    assert warnings == ["Hook 'b' failed in on_step (ZeroDivisionError: by nothing); the run goes on without it."]
    assert len([entry for entry in recorder.seen if entry[0] == "step"]) == 6


def test_what_the_user_can_repair_is_not_wrapped():
    class Refusing(RunHook):
        def on_step(self, step, losses):
            raise PoseplugError("give a path")

    with pytest.raises(PoseplugError, match="^give a path$"):
        train(HookSet({"x": Refusing()}, "drop"))


def test_only_what_is_overridden_is_called():
    hooks = HookSet({"b": Broken()})
    assert hooks.listens("on_step")
    assert not any(hooks.listens(event) for event in ("on_batch", "on_log", "on_epoch", "configure"))
