"""The pose to begin with: what a trained run says of the joints that are marked, in the skeleton of the annotations."""

from __future__ import annotations

import torch
from torch import Tensor

from poseplug.core.data.normalise import Normalisation
from poseplug.core.data.pose_batch import PoseBatch
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.camera import Camera
from poseplug.core.geometry.layout_mapping import map_layout
from poseplug.core.geometry.missing_joints import put_missing
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.registry.discovery.catalogue import Catalogue
from poseplug.registry.lifting.opened_run import OpenedRun
from poseplug.registry.lifting.tracking.joints import JointMaker
from poseplug.registry.lifting.views.place import estimated_roots
from poseplug.registry.lifting.views.view import centred, turned_back

# Joints that the run knows nothing of are this far from those that they hang from, metres.
_ASIDE = 0.1


class FirstPose:
    """Lifts one person at a time.

    Args:
        run: the folder of a finished run, or the name of a trained model.
        skeleton: of the annotations; what the run's has besides counts as missing.
        catalogue: finds the run.

    Raises:
        PoseplugError: there is no such run, or it searches for people.
    """

    def __init__(self, run: str, skeleton: Skeleton, catalogue: Catalogue) -> None:
        self.run, self.skeleton = run, skeleton
        self._opened = OpenedRun.named(run, catalogue, torch.device("cpu"))
        self._model = self._opened.model.eval()
        if self._model.finds:
            raise PoseplugError(
                f"The model '{run}' searches images for people, and here people are given; name one that lifts these."
            )
        theirs = self._model.skeleton
        unknown = map_layout(skeleton, theirs).missing
        self._make = JointMaker(skeleton, theirs, dict.fromkeys(unknown))
        self._back = JointMaker(theirs, skeleton, dict.fromkeys(map_layout(theirs, skeleton).missing))

    @torch.inference_mode()
    def __call__(self, joints: Tensor, confidence: Tensor, camera: Camera) -> Tensor:
        """Return the joints [1, J, 3] of a person in the camera frame, metres.

        Args:
            joints: [1, J, 2] pixels.
            confidence: [1, J]; 0 where a joint is missing.
            camera: one, without distortion.

        Raises:
            PoseplugError: too few joints are known, or all lie on one point.
        """
        theirs, seen = self._model.skeleton, self._opened.seen
        pixels, sure = self._make(joints, confidence)
        found = sure > 0
        if int(found.sum()) * 2 < theirs.num_joints:
            raise PoseplugError(
                f"The lifter needs at least half of its joints, {theirs.num_joints - theirs.num_joints // 2}, and "
                f"{int(found.sum())} can be made of those that are marked; mark more."
            )
        pixels = put_missing(pixels, found, theirs)
        shown, through, rotation = pixels, camera, None
        other_size = self._model.normaliser.kind is Normalisation.STANDARDISED
        if seen is not None and (other_size or bool(seen.outside(pixels, found, camera.size, theirs).any())):
            shown, through, rotation = centred(pixels, found, camera, seen, theirs)
        batch = PoseBatch(theirs, shown.float(), through)
        lifted, located = self._model.place(batch)
        lifted = lifted.float()
        if rotation is not None:
            lifted = turned_back(lifted, rotation)
            located = None if located is None else turned_back(located[:, None], rotation)[:, 0]
        root = estimated_roots(lifted, pixels, found, camera) if located is None else located.float()
        pose = lifted + root[:, None]
        if not bool(torch.isfinite(pose).all()) or float(pose[..., 2].min()) <= 0:
            raise PoseplugError("Nothing can be lifted of joints that lie like this; look at where they are marked.")
        return self._named_here(pose)

    def _named_here(self, pose: Tensor) -> Tensor:
        """Return a pose of the run's joints [1, K, 3] in those of the annotations."""
        both = [self._back(pose[..., axes], torch.ones(pose.shape[:2])) for axes in ([0, 1], [1, 2])]
        made, known = torch.cat([both[0][0], both[1][0][..., 1:]], -1), both[0][1] > 0
        rest = torch.tensor(self.skeleton.rest_directions, dtype=made.dtype) * _ASIDE
        middle = pose.mean(1)
        root = self.skeleton.root
        if not known[0, root]:
            made[0, root] = middle
        for level in self.skeleton.levels:
            for bone in level:
                parent, child = self.skeleton.bones[bone]
                if not known[0, child]:
                    made[0, child] = made[0, parent] + rest[bone]
        return made
