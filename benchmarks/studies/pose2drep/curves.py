"""Curves over the training: every state that a cell of the grid has kept is evaluated on fixed shares of each set."""

from __future__ import annotations

from pathlib import Path

import attrs
import torch
import xarray

from poseplug.core.data.normalise import max_normalised
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.evaluation.evaluate import evaluate
from poseplug.core.evaluation.protocol import lookup
from poseplug.core.evaluation.scoring import Scores
from poseplug.core.interfaces import BuildContext, FiniteSource, PoseSource
from poseplug.core.models.lifting_model import LiftingModel
from poseplug.core.sources.pose_table import PoseTable
from poseplug.core.sources.projection import projected
from poseplug.core.storage.run_directory import RunDirectory
from poseplug.core.storage.tensor_file import from_under, load_tensors
from poseplug.core.training.multi_seed import models_of
from poseplug.registry.config.experiment_file import read_document
from poseplug.registry.config.resolve import construct, find_part
from poseplug.registry.discovery.catalogue import load_catalogue
from poseplug.registry.runs.build import build
from poseplug.registry.runs.plan import make_plan
from poseplug_pose2drep.depth_head import DepthHead

# The paper's joints: the root left out. p_mpjpe_mm keeps the handedness, ERROR, the paper's, may mirror.
PROTOCOL = attrs.evolve(lookup("pose2drep"), name="pose2drep without reflection", reflection=False)
ERROR = "p_mpjpe_reflected_mm"
# Of the training source; the run's own labelled poses come from another seed.
_LABELLED_SEED, _LABELLED = 20220, 100


def curves_of(run: Path, watched: int, device: torch.device) -> xarray.Dataset:
    """Return what became of the seeds of a run, on so many poses of each set.

    Dimensions: seed, epoch, set ("lab_test", "wild", "held_out"), metric, action, part. Variables: ``value`` of each
    metric; ``action_value`` of ERROR; ``correlation`` of parts' depths with true ones on lab_test; ``sign`` of depth;
    ``flat``, ERROR of depths that are all zero.
    """
    catalogue, directory = load_catalogue(), RunDirectory(run)
    plan = make_plan(read_document(directory.experiment), catalogue)
    built = build(plan, catalogue, device)
    clips = Path(plan.document["source"][0]["path"]).parent / "held_out"
    held_out = construct(
        find_part(catalogue, "source", {"name": "bvh", "path": str(clips), "split": "all"}),
        BuildContext(skeleton=built.assembly.source.skeleton, device=device),
    )
    sources = {**built.evaluations, "held_out": projected(held_out, plan.settings.projection)}
    sets = {label: PoseTable(take(s, watched, device), dict(s.label_names)) for label, s in sources.items()}
    labelled = built.assembly.source.sample(_LABELLED, torch.Generator(device).manual_seed(_LABELLED_SEED))
    modules, epochs = built.assembly.modules(), []
    for state in sorted((run / "snapshots").iterdir()):
        modules.load_state_dict(from_under("modules", load_tensors(state)[0]))
        looks = [look(model, labelled, sets) for model in models_of(built.assembly)]
        epochs.append(xarray.concat(looks, "seed").assign_coords(seed=list(plan.seeds)))
    found = xarray.concat(epochs, "epoch").assign_coords(epoch=range(1, len(epochs) + 1))
    found["flat"] = ("set", [flat_error(table.poses) for table in sets.values()])
    return found


def look(model: LiftingModel, labelled: PoseBatch, sets: dict[str, PoseTable]) -> xarray.Dataset:
    """Return what one model is worth, with a reading of depth of its own from the labelled poses."""
    head = DepthHead(model.skeleton, model.lifter.group_joints(), _LABELLED)
    model = LiftingModel(model.lifter, model.skeleton, head=head).to(model.device).eval()
    sign = float(model.calibrate(labelled)["sign"])
    found = {label: evaluate(model, table, PROTOCOL) for label, table in sets.items()}
    metrics = list(next(iter(found.values())).metrics)
    actions = sorted({action for one in found.values() for action in one.per_action})
    nothing = {ERROR: float("nan")}
    correlation = correlations(model, sets["lab_test"].poses)
    values = [[one.metrics[metric] for metric in metrics] for one in found.values()]
    of_actions = [[one.per_action.get(action, nothing)[ERROR] for action in actions] for one in found.values()]
    return xarray.Dataset(
        {
            "value": (("set", "metric"), values),
            "action_value": (("set", "action"), of_actions),
            "correlation": ("part", list(correlation.values())),
            "sign": sign,
        },
        {"set": list(found), "metric": metrics, "action": actions, "part": list(correlation)},
    )


def flat_error(poses: PoseBatch) -> float:
    """Return the paper's error of the image plane itself, all depths zero: what a lifter that learned nothing has."""
    planar = max_normalised(poses.joints_2d, poses.skeleton.root, poses.extent)
    scores = Scores(PROTOCOL)
    scores.add(torch.cat([planar, torch.zeros_like(planar[..., :1])], dim=-1), poses)
    return scores.mean()[ERROR]


@torch.no_grad()
def correlations(model: LiftingModel, poses: PoseBatch) -> dict[str, float]:
    """Return for halves and limbs how predicted depths, with the best global sign, go with the true ones, -1 to 1."""
    skeleton = model.skeleton
    parts = {name: tuple(skeleton.index(j) for j in joints) for name, joints in skeleton.parts.items()}
    legs = tuple(joint for name, joints in parts.items() if name.endswith("leg") for joint in joints)
    upper = tuple(joint for joint in range(skeleton.num_joints) if joint not in (*legs, skeleton.root))
    head = DepthHead(skeleton, {"legs": legs, "upper": upper, **parts}).to(model.device)
    found, start = head.calibrate(poses, model(poses)), "correlation_"
    return {name.removeprefix(start): float(value) for name, value in found.items() if name.startswith(start)}


def take(source: PoseSource, count: int, device: torch.device) -> PoseBatch:
    """Return ``count`` of a source's poses, spread evenly over it; all of them for 0.

    Raises:
        PoseplugError: all poses of an endless source are asked for.
    """
    if not isinstance(source, FiniteSource):
        if not count:
            raise PoseplugError("This source is endless; say with --poses how many poses to try.")
        return source.sample(count, torch.Generator(device).manual_seed(0))
    poses = PoseBatch.join(list(source.batches(65536)))
    if not 0 < count < len(poses):
        return poses
    return poses.select(torch.linspace(0, len(poses) - 1, count, dtype=torch.float64).round().long().to(poses.device))
