"""What lifters promise besides what every component does."""

from __future__ import annotations

from collections import Counter
from typing import Any

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.training.schedule import Phase
from poseplug.registry.config.read_settings import structure
from poseplug.registry.config.resolve import Part, lifter_reads
from poseplug.registry.conformance.poses import Occasion, ordinary, plausible_poses
from poseplug.registry.conformance.stand_ins import context_of, stand_in_inputs
from poseplug.registry.conformance.subject import Subject
from poseplug.registry.conformance.tensors import Tensors, check_rows, check_tensor, send_gradient_back
from poseplug.registry.conformance.verdict import promise, require, some
from poseplug.registry.discovery.catalogue import load_catalogue

# One whose class offers settings for the kit may be large with others.
SMALL = True


def use(part: Any, occasion: Occasion) -> Tensors:
    """Lift the poses as the engine does, with the lifter's own normalisation, inputs and output head."""
    poses = occasion.poses
    joints = _model(part, poses)(poses)
    return {"joints": check_tensor(joints, (len(poses), poses.skeleton.num_joints, 3), poses.device, "the output")}


train = use


def _model(part: Any, poses: PoseBatch) -> LiftingModel:
    inputs = stand_in_inputs(part, context_of(poses))
    model = LiftingModel(part, poses.skeleton, inputs=inputs.providers).to(poses.device)
    model.normaliser.fit(plausible_poses(64, poses.skeleton, poses.device))
    return model.train(part.training)


@promise("independence", "in evaluation a pose is lifted alike whatever else is in the batch", needs=("seeded",))
def independence(subject: Subject) -> None:
    """Lift 16 poses together, and again eight at a time in another order."""
    part, occasion = subject.ready().eval(), ordinary(16, subject.device)
    model = _model(part, occasion.poses)
    check_rows(lambda seen: {"joints": model(seen.poses)}, occasion, "the same poses in other batches differ")


@promise("reads", "built, it reads what reads_with tells beforehand, from its settings")
def reads(subject: Subject) -> None:
    """Compare what is told of its settings with what it says of itself."""
    told = lifter_reads(load_catalogue(), Part("", subject.component, subject.config))
    found = subject.ready().reads
    named = [some(sorted(names)) or "nothing" for names in (found, told)]
    require(found == told, f"reads {named[0]}, and reads_with tells of {named[1]}")


@promise("groups", "parameter_groups has every trainable parameter in exactly one group")
def groups(subject: Subject) -> None:
    """Count the parameters in the groups."""
    part = subject.ready()
    counts = Counter(parameter for members in part.parameter_groups().values() for parameter in members)
    trained = [(name, counts[parameter]) for name, parameter in part.named_parameters() if parameter.requires_grad]
    wrong = [f"{name} in {count}" for name, count in trained if count != 1]
    require(not wrong, f"parameters in other than one group: {some(wrong)}")


@promise(
    "parts",
    "a part that group_joints names predicts its joints from parameters of its own, and each joint has one part",
    needs=("groups", "seeded"),
)
def parts(subject: Subject) -> None:
    """See which parameters get a gradient from the joints of each part."""
    part, occasion = subject.ready(), ordinary(8, subject.device)
    joints, members = dict(part.group_joints()), dict(part.parameter_groups())
    if not joints:  # a lifter of one part
        return
    named = f"group_joints names {some(list(joints))}, parameter_groups {some(list(members))}"
    require(joints.keys() == members.keys(), named)
    skeleton = occasion.poses.skeleton
    listed = sorted(joint for group in joints.values() for joint in group)
    wanted = [joint for joint in range(skeleton.num_joints) if joint != skeleton.root]
    require([j for j in listed if j != skeleton.root] == wanted, "group_joints must have each joint but the root once")
    lifted = part(_model(part, occasion.poses).normaliser(occasion.poses))
    for name, group in joints.items():
        part.zero_grad(set_to_none=True)
        lifted[:, list(group), 2].sum().backward(retain_graph=True)
        reached = [g for g, mine in members.items() if any(p.grad is not None and p.grad.any() for p in mine)]
        require(reached == [name], f"the joints of part '{name}' depend on the parameters of {some(reached)}")


@promise(
    "phases",
    "the phases that it is trained in by default name its parameter groups, and the loss reaches what they train",
    needs=("gradients", "groups"),
)
def phases(subject: Subject) -> None:
    """Begin each phase in turn, as the engine does, and look for gradients."""
    part, occasion = subject.ready(), ordinary(8, subject.device)
    schedule = [structure(Phase, dict(phase), "a default phase") for phase in part.default_phases(subject.config)]
    groups = part.parameter_groups()
    for phase in schedule:
        named = phase.groups("lifter")
        if named is None:
            continue
        unknown = [group for group in named if group not in groups]
        require(not unknown, f"phase '{phase.name}' trains {some(unknown)}; its groups are {some(list(groups))}")
        part.begin_phase(frozenset(named or groups))
        part.zero_grad(set_to_none=True)
        reached = send_gradient_back(use(part, occasion))
        require(reached, f"the output carries no gradient in phase '{phase.name}'")
        missed = [p for group in named or groups for p in groups[group] if p.grad is None]
        require(not missed, f"{len(missed)} parameters get no gradient in phase '{phase.name}'")
