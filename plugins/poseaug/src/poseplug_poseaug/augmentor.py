"""Gong, Zhang, Feng: PoseAug: A differentiable pose augmentation framework for 3D human pose estimation, CVPR 2021.

Written from the paper (eqs. 4-6, 9-11) and from what its released code does; the defaults are the code's, which differs
from the paper. README.md of this plugin lists the differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
import torch
from torch import Tensor, nn
from torch.nn import functional

from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.geometry.kinematics import bone_vectors, joints_from_bones
from poseplug.core.interfaces import Augmentation, Augmentor, AugmentorFeedback, BuildContext
from poseplug.core.settings import ordered, setting
from poseplug_poseaug import reprojection
from poseplug_poseaug.anatomy import facing_pair, length_groups, trunk_bones
from poseplug_poseaug.feedback import FEEDBACKS, ErrorFeedback, scheduled
from poseplug_poseaug.health import RunningMeans, direction_spread, place_spread
from poseplug_poseaug.operators import length_ratios, rotated, rotation_matrices, rotation_vectors, translations, turned
from poseplug_poseaug.perceptron import Perceptron
from poseplug_poseaug.regularisers import angle_range, length_range, printed

# A run whose figures fall below these has collapsed: hardly a pose is usable, or all of them are alike.
_FEWEST_ACCEPTED = 0.02
_LEAST = {"variety": 0.25, "views": 0.25, "spread": 0.05}


@attrs.frozen(kw_only=True)
class PoseAugConfig:
    """Settings of the learned augmentor; the defaults are those of the released code."""

    bone_angle: bool = setting(True, "learn to turn bones (BA, eq. 4)")
    bone_length: bool = setting(True, "learn to scale bones (BL, eq. 5)")
    rigid: bool = setting(True, "learn to rotate and place the body (RT, eq. 6)")
    channels: int = setting(256, "width of each operator's network", minimum=1)
    noise: float = setting(1.0, "standard deviation of the noise that the networks are fed", minimum=0)
    freeze_trunk: bool = setting(True, "the bones from the root to the thorax keep their direction")
    length_limit: float = setting(0.2, "largest relative change of a bone's length", minimum=0, maximum=0.99)
    cameras: str = setting(
        "source",
        "see augmented poses by each pose's own camera, or by a pinhole with a new focal length",
        choices=("source", "new"),
    )
    focal: tuple[float, float] = setting(
        (1.6, 3.2), "range of new focal lengths; Human3.6M has 2.29", unit="half image sides", above=0, check=ordered
    )
    accept: str = setting(
        "one_sided",
        "which poses are fit to train on: no screen coordinate above 1 (one_sided, the released code), or the whole "
        "body in the image and before the camera (two_sided)",
        choices=("one_sided", "two_sided"),
    )
    adversarial: float = setting(1.0, "factor on what the discriminators say", minimum=0)
    regulariser: str = setting(
        "rectified",
        "form of the regularisers: the released code's, or eq. 10 (printed)",
        choices=("rectified", "printed"),
    )
    regulariser_weight: float = setting(3.0, "factor on the regularisers", minimum=0)
    angle_range: tuple[float, float] = setting(
        (0.04, 0.37), "rectified: free range of a pose's mean of 1 - cos(turn of a bone)", minimum=0, check=ordered
    )
    length_free: float = setting(0.1, "rectified: relative change of a bone's length that is free", minimum=0)
    threshold: float = setting(0.1, "printed: mean change of a pose that is free; the paper gives no value", minimum=0)
    feedback: str = setting(
        "rectified",
        "how the lifter's error is fed back: as a ratio (released code), by eq. 9 (exponential), or not at all",
        choices=FEEDBACKS,
    )
    feedback_bones: float = setting(0.1, "factor on the feedback for poses after the bone-angle operator", minimum=0)
    feedback_final: float = setting(0.01, "factor on the feedback for the final poses", minimum=0)
    beta_bones: tuple[float, float] = setting(
        (3.0, 5.0), "wanted ratio of errors after the bone-angle operator, at the start and at the end", minimum=0
    )
    beta_final: tuple[float, float] = setting(
        (17.0, 17.0), "wanted ratio of errors on final poses, at the start and at the end", minimum=0
    )
    slack_bones: float = setting(2.0, "rectified: ratios this near to beta_bones are free", minimum=0)
    slack_final: float = setting(15.0, "rectified: ratios this near to beta_final are free", minimum=0)
    feedback_from_cycle: int = setting(1, "the first cycle of the schedule with feedback", minimum=1)
    learning_rate: float = setting(1e-4, "learning rate of Adam", above=0)


@attrs.frozen
class LearnedAugmentation(Augmentation):
    """What PoseAug made of a batch, with what its regularisers look at.

    Attributes:
        residual: [N, M, 3] gamma_ba, or None where bones are not turned.
        turn: [N, M] one minus the cosine of the angle by which each bone turned, or None.
        ratios: [N, G] gamma_bl of each group of bones, or None where bones are not scaled.
    """

    residual: Tensor | None = None
    turn: Tensor | None = None
    ratios: Tensor | None = None


class PoseAug(Augmentor):
    """Learns to turn bones, scale bones, and rotate and place the body; each by a network of its own.

    Every network sees the root-centred pose and noise of its own. Stage "source" holds the poses that were augmented,
    "bones" those after the bone-angle operator, "final" those after all. The batch to train on has the final poses,
    and the source's where a final pose is not accepted.
    """

    Config = PoseAugConfig

    frozen_bones: Tensor
    free_groups: Tensor
    group: Tensor

    def __init__(self, config: PoseAugConfig, context: BuildContext) -> None:
        super().__init__()
        self.config = config
        self.learning_rate = config.learning_rate
        self.skeleton = skeleton = context.layout
        device = context.device
        trunk, groups = trunk_bones(skeleton), length_groups(skeleton)
        still = set(trunk) if config.freeze_trunk else set()
        kept = groups[trunk[-1]] if trunk else -1
        moving = [bone in still for bone in range(skeleton.num_bones)]
        free = [float(group != kept) for group in range(max(groups) + 1)]
        self.register_buffer("frozen_bones", torch.tensor(moving, device=device), persistent=False)
        self.register_buffer("free_groups", torch.tensor(free, device=device), persistent=False)
        self.register_buffer("group", torch.tensor(groups, device=device), persistent=False)
        self.networks = nn.ModuleDict(self._networks(len(free), device))
        self.error = None if config.feedback == "none" else ErrorFeedback(skeleton, config.feedback, device)
        self.facing = facing_pair(skeleton)
        self.health = RunningMeans(("accepted", "turn", "variety", "views", "spread"), device)

    def _networks(self, groups: int, device: torch.device) -> dict[str, nn.Module]:
        config, joints, bones = self.config, 3 * self.skeleton.num_joints, self.skeleton.num_bones
        sizes: dict[str, tuple[int, int]] = {}
        if config.bone_angle:
            sizes["angle"] = (2 * joints, 3 * bones)
        if config.bone_length:
            sizes["length"] = (2 * joints + bones, groups)
        if config.rigid:
            sizes |= {"rotation": (2 * joints, 3), "translation": (2 * joints, 3)}
        return {name: Perceptron(i, config.channels, o, device) for name, (i, o) in sizes.items()}

    # ---------------------------------------------------------------- augmenting

    def augment(self, batch: PoseBatch, generator: torch.Generator) -> LearnedAugmentation:
        source = batch.under(reprojection.clamping)
        camera = source.camera
        says = self._ask(source, generator)
        root, bones = source.root, bone_vectors(source.absolute, self.skeleton)
        directions = functional.normalize(bones, dim=-1)
        lengths = torch.linalg.vector_norm(bones, dim=-1)[..., None]
        at_bones, turn, ratios = source, None, None
        if "angle" in says:
            before, directions = directions, turned(directions, says["angle"], self.frozen_bones)
            turn = 1 - (before * directions).sum(-1)
            at_bones = reprojection.seen(source, joints_from_bones(directions * lengths, root, self.skeleton), camera)
        if "length" in says:
            ratios = length_ratios(says["length"], self.free_groups, self.group, self.config.length_limit)
            lengths = lengths * (1 + ratios[..., None])
        final = self._placed(source, at_bones, directions * lengths, says, generator)
        accepted = reprojection.accepted(final, self.config.accept)
        return LearnedAugmentation(
            batch=final if final is source else reprojection.chosen(accepted, final, source),
            stages={"source": source, "bones": at_bones, "final": final},
            accepted=accepted,
            residual=says.get("angle"),
            turn=turn,
            ratios=ratios,
        )

    def _ask(self, source: PoseBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return what each network says of the poses."""
        pose = source.root_relative.flatten(1)
        shape = (len(self.networks), *pose.shape)
        noise = torch.randn(shape, generator=generator, device=generator.device) * self.config.noise
        says = {}
        for (name, network), own in zip(self.networks.items(), noise, strict=True):
            inputs = [pose, own]
            if name == "length":
                bones = bone_vectors(source.absolute, self.skeleton)
                inputs.insert(1, torch.linalg.vector_norm(bones, dim=-1))
            says[name] = network(torch.cat(inputs, dim=1))
        if "angle" in says:
            says["angle"] = says["angle"].reshape(len(source), -1, 3)
        return says

    def _placed(
        self, source: PoseBatch, at_bones: PoseBatch, bones: Tensor, says: Mapping[str, Tensor], draw: torch.Generator
    ) -> PoseBatch:
        """Return the final poses: bones [N, M, 3] put together, rotated and placed, seen by their cameras."""
        camera = source.camera
        if self.config.cameras == "new":
            camera = reprojection.new_lenses(camera, self.config.focal, draw)
        if "rotation" not in says:
            if "length" not in says and camera is source.camera:
                return at_bones
            joints = joints_from_bones(bones, source.root, self.skeleton)
            return reprojection.seen(source, joints, camera)
        rotation = rotation_matrices(rotation_vectors(says["rotation"]))
        place = translations(says["translation"])
        centred = joints_from_bones(bones, torch.zeros_like(source.root), self.skeleton)
        joints = rotated(rotation, centred) + place[:, None]
        camera = reprojection.moved_about(camera, rotation.detach(), place.detach(), source.root)
        # Everybody moves on their own, so people no longer share scenes.
        return reprojection.seen(source.alone(), joints, camera)

    # ---------------------------------------------------------------- learning

    def loss(self, augmentation: Augmentation, feedback: AugmentorFeedback) -> Mapping[str, Tensor]:
        assert isinstance(augmentation, LearnedAugmentation)
        config = self.config
        said = feedback.adversarial_losses
        losses = {f"adversarial_{name}": config.adversarial * loss for name, loss in said.items()}
        losses |= self._regularisers(augmentation)
        if self.error is not None and feedback.cycle >= config.feedback_from_cycle:
            losses |= self._feedback(self.error, augmentation, feedback)
        if not any(loss.requires_grad for loss in losses.values()):
            # No feedback yet, and discriminators that look at other operators only: there is nothing to learn.
            losses["nothing"] = 0 * augmentation.stages["final"].absolute.sum()
        self._watch(augmentation)
        return losses

    def _regularisers(self, augmentation: LearnedAugmentation) -> dict[str, Tensor]:
        config, losses = self.config, {}
        as_printed = config.regulariser == "printed"
        residual, turn, ratios = augmentation.residual, augmentation.turn, augmentation.ratios
        if residual is not None and turn is not None:
            change = printed(residual, config.threshold) if as_printed else angle_range(turn, config.angle_range)
            losses["angle_range"] = config.regulariser_weight * change
        if ratios is not None:
            change = printed(ratios, config.threshold) if as_printed else length_range(ratios, config.length_free)
            losses["length_range"] = config.regulariser_weight * change
        return losses

    def _feedback(
        self, error: ErrorFeedback, augmentation: Augmentation, feedback: AugmentorFeedback
    ) -> dict[str, Tensor]:
        config, stages = self.config, augmentation.stages
        terms = {
            "bones": (config.feedback_bones if config.bone_angle else 0.0, config.beta_bones, config.slack_bones),
            "final": (config.feedback_final, config.beta_final, config.slack_final),
        }
        wanted = {name: term for name, term in terms.items() if term[0]}
        if not wanted:
            return {}
        with torch.no_grad():
            before = error.errors(feedback.source, feedback.lift)
        losses = {}
        for name, (factor, beta, slack) in wanted.items():
            after = error.errors(stages[name], feedback.lift)
            loss = error.loss(after, before, scheduled(beta, feedback.progress), slack)
            losses[f"feedback_{name}"] = factor * loss
        return losses

    # ---------------------------------------------------------------- health

    @torch.no_grad()
    def _watch(self, augmentation: LearnedAugmentation) -> None:
        source, final = augmentation.stages["source"], augmentation.stages["final"]
        accepted, turn = augmentation.accepted, augmentation.turn
        before = self._differences(source)
        self.health.update(
            {
                "accepted": torch.ones((), device=final.device) if accepted is None else accepted.float().mean(),
                "turn": torch.zeros((), device=final.device) if turn is None else turn.mean(),
                # Augmented poses as a multiple of their sources.
                **{name: value / before[name].clamp_min(1e-3) for name, value in self._differences(final).items()},
            }
        )

    def _differences(self, poses: PoseBatch) -> dict[str, Tensor]:
        """Return how much bodies, the sides that they are seen from, and places differ within a batch."""
        variety = direction_spread(functional.normalize(bone_vectors(poses.absolute, self.skeleton), dim=-1))
        views = variety
        if self.facing is not None:
            left, right = self.facing
            across = poses.absolute[:, left] - poses.absolute[:, right]
            views = direction_spread(functional.normalize(across, dim=-1)[:, None])
        return {"variety": variety, "views": views, "spread": place_spread(poses.root)}

    def logs(self) -> Mapping[str, Tensor]:
        return {name: value for name, value in self.health.last.items() if name != "accepted"}

    def diagnostics(self) -> Mapping[str, float]:
        """Return averages over the last steps, and ``collapsed``: 1 if hardly a pose is usable or all look alike."""
        means = self.health.means()
        if not means:
            return {}
        alike = any(means[name] < least for name, least in _LEAST.items())
        collapsed = self.health.settled and (means["accepted"] < _FEWEST_ACCEPTED or alike)
        finite = {name: value for name, value in means.items() if math.isfinite(value)}
        return {**finite, "collapsed": float(collapsed)}
