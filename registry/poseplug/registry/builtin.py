"""The plugin that poseplug itself is: what the core brings along."""

from __future__ import annotations

from poseplug.registry.hookspecs import Register
from poseplug.registry.markers import hookimpl

POSEPLUG_API = 1

_IN_THE_WILD = "Mehta et al., Monocular 3D human pose estimation in the wild, 3DV 2017"
_ROOTNET = "Moon et al., Camera distance-aware top-down approach, ICCV 2019"
_METRICS = {  # name: class, summary, paper
    "mpjpe": ("Mpjpe", "mean per-joint position error (protocol 1)", "Ionescu et al., Human3.6M, TPAMI 2014"),
    "p_mpjpe": ("PMpjpe", "MPJPE after Procrustes alignment of each pose (protocol 2)", "Martinez et al., ICCV 2017"),
    "n_mpjpe": ("NMpjpe", "MPJPE after the best scaling of each pose", "Rhodin et al., CVPR 2018"),
    "pck": ("Pck", "share of joints within a distance of the true ones", _IN_THE_WILD),
    "auc": ("Auc", "mean of PCK over distances up to a greatest one", _IN_THE_WILD),
    "mrpe": ("Mrpe", "mean root position error, whole and along the camera's axes", _ROOTNET),
    "pck_abs": ("PckAbs", "PCK of absolute positions in the camera frame", _ROOTNET),
    "pck_root": ("PckRoot", "share of roots within 250 mm of the true ones", "Su et al., VirtualPose, ECCV 2022"),
}
_AKHTER = "Akhter and Black, Pose-conditioned joint angle limits for 3D human pose reconstruction, CVPR 2015"


@hookimpl
def register_metrics(register: Register) -> None:
    """Register the metrics that every evaluation measures, and one that looks at predictions alone."""
    for name, (cls, summary, paper) in _METRICS.items():
        register(name, f"poseplug.core.evaluation.standard_metrics:{cls}", summary=summary, paper=paper)
    register(
        "plausible",
        "poseplug.core.evaluation.plausible:Plausible",
        summary="share of predicted poses, and of limb bones, within joint limits",
        paper=_AKHTER,
    )


@hookimpl
def register_inputs(register: Register) -> None:
    """Register the inputs that follow from any batch."""
    for name, target, summary in (
        ("joints_2d", "Joints2D", "2D joints in pixels"),
        ("camera", "Cameras", "the camera of each person"),
        ("boxes", "PersonBoxes", "a box in the image around each person"),
        ("scene", "SceneRows", "the row of each person's scene in inputs that have one for each scene"),
        ("scenes", "Places", "the scenes: cameras, images, how many people"),
    ):
        register(name, f"poseplug.core.models.inputs:{target}", summary=summary, paper="none: what a batch holds")


@hookimpl
def register_objectives(register: Register) -> None:
    """Register the objective that every lifter can be trained with."""
    register(
        "supervised",
        "poseplug.core.training.supervised:Supervised",
        summary="mean squared error against 3D labels; with a reweighter PoseGU's counterfactual risk",
        paper="PoseGU (Guan et al., arXiv 2207.03618), eqs. 11-13",
    )
