"""What plugins may rely on, frozen: plugins/README.md says what a change of it asks for.

``python tests/registry/test_public_surface.py`` writes the snapshot anew.

griffe reads names, signatures and defaults. Its ``find_breaking_changes`` is not used: it compares for those who call
an API, while plugins implement this one, and does not see a further abstract method or a further required field.
"""

import ast
import difflib
import inspect
import re
from functools import cache
from pathlib import Path

import griffe
import pytest

from poseplug import core, registry
from poseplug.core.kinds import kind_names
from poseplug.registry import hookspecs
from poseplug.registry.scaffold import choose_names, render_plugin

SNAPSHOT = Path(registry.__file__).with_name("public_surface.txt")
ADVICE = """
The public surface of the plugin API has changed:

{changes}
If something was added: write the snapshot anew (see the top of this file).
If something was removed, renamed, or means something else, strangers' plugins break: deprecate it, which is to keep the
old way for one more minor version with a DeprecationWarning that names the new one; or, if that cannot be, bump
poseplug.registry.markers.API_VERSION. The rule is in plugins/README.md, "Versions".
"""
PUBLIC = {
    "poseplug.registry": ["API_VERSION", "hookimpl"],
    "poseplug.registry.hookspecs": ["Register", "RegisterModel", "RegisterRecipe"],
    "poseplug.registry.conformance": ["conformance_tests"],
    "poseplug.core.interfaces": None,  # all of it
    "poseplug.core.hooks": ["RunFacts", "RunHook"],
    "poseplug.core.settings": ["REQUIRED", "ordered", "setting"],
    "poseplug.core.errors": ["PoseplugError", "did_you_mean", "one_line"],
    "poseplug.core.progress": ["tell"],
    "poseplug.core.anatomy.joint_limits": ["JointLimits"],
    "poseplug.core.anatomy.limb_frames": None,
    "poseplug.core.anatomy.limb_kinds": ["kind_of"],
    "poseplug.core.anatomy.limbs": ["Limbs", "limbs_of"],
    "poseplug.core.data.found": ["Found", "Matching", "match"],
    "poseplug.core.data.pose_batch": ["Origin", "PoseBatch"],
    "poseplug.core.data.scenes": ["Scenes", "rows_of"],
    "poseplug.core.data.pose_file_reader": ["PoseFile"],
    "poseplug.core.data.pose_file_writer": ["write_pose_file", "write_pose_set"],
    "poseplug.core.data.stored_poses": ["About", "InputFile", "StoredPoses", "next_shard", "shard_name", "shards_in"],
    "poseplug.core.geometry.camera": ["Camera", "distort", "look_at"],
    "poseplug.core.geometry.joint_mapping": ["JointMapping"],
    "poseplug.core.geometry.letterbox": ["Letterbox"],
    "poseplug.core.geometry.skeleton": ["Skeleton"],
    "poseplug.core.tensors": ["TensorRecord", "constant"],
    "poseplug.core.geometry.layouts": ["H36M_16", "H36M_17", "H36M_LAYOUTS", "LAYOUTS", "layout"],
    "poseplug.core.geometry.layout_mapping": ["map_layout"],
    "poseplug.core.geometry.missing_joints": ["put_missing"],
    "poseplug.core.keypoints.detections": ["Detections", "KeypointFile"],
    "poseplug.core.keypoints.open_keypoints": ["open_keypoints"],
    "poseplug.core.data.normalise": [
        "Normalisation",
        "extents",
        "max_normalised",
        "pose_standardised",
        "screen_coordinates",
    ],
    "poseplug.core.geometry.kinematics": ["bone_lengths", "bone_vectors", "forward_kinematics", "joints_from_bones"],
    "poseplug.core.geometry.rotations": ["euler_to_rotmat", "quaternion_to_rotmat", "rotvec_to_rotmat"],
    "poseplug.core.geometry.viewpoints": ["TARGET_HEIGHT", "ViewRange", "around_origin", "fixed_cameras"],
    "poseplug.core.models.dense": ["Dense", "Norm", "dense", "dropout"],
    "poseplug.core.models.modes": ["exactly"],
    "poseplug.core.sources.pose_table": ["PoseTable"],
    "poseplug.core.detection.augmentation": ["CropChanges"],
    "poseplug.core.detection.capsules": ["draw_capsules", "noisy_background"],
    "poseplug.core.detection.crops": ["CropMaps", "imagenet_normalised", "letterboxed", "take_crops"],
    "poseplug.core.detection.detector": ["Detector", "Stage"],
    "poseplug.core.detection.images": ["read_image"],
    "poseplug.core.detection.labels": ["LabelledPeople", "labelled_pictures", "read_labels"],
    "poseplug.core.detection.measuring": ["Measured", "measure"],
    "poseplug.core.detection.stored": ["stored_layout"],
    "poseplug.core.detection.training": ["DetectorTrainer", "DetectorTraining"],
    "poseplug.core.training.supervised": ["Supervised"],
    "poseplug.core.evaluation.evaluate": ["Evaluation"],
    "poseplug.core.evaluation.joint_errors": ["joint_errors", "pck"],
    "poseplug.core.evaluation.metric": ["Comparison", "Metric"],
    "poseplug.core.evaluation.protocol": ["Protocol", "lookup"],
    "poseplug.core.storage.files": ["left_behind", "write_text"],
    "poseplug.core.storage.mat5": ["MatFile"],
    "poseplug.core.storage.plain_npz": ["most_bytes", "read_npz"],
    "poseplug.core.storage.plain_pickle": ["load_plain_pickle"],
    "poseplug.core.storage.weights": ["load_weights", "take_weights"],
}


ROOT = Path(__file__).parents[2]
SPECIAL = ("__init__", "__call__", "__len__")
LABELS = ("abstractmethod", "classmethod", "staticmethod", "property")
# How a default is made is nobody's business.
MADE = griffe.ExprCall | griffe.ExprDict | griffe.ExprDictComp


def surface():
    """Return the snapshot: one line for each thing that has a name."""
    lines = []
    for module, names in public_names().items():
        lines += ["", f"# {module}"]
        for name in names:
            lines += describe(modules()[f"{module}.{name}"])
    # Hooks are made from the table of kinds when their module runs, which griffe does not do.
    hooks = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("register_")}
    lines += ["", "# hooks", *(f"{name}{inspect.signature(hooks[name])}".replace("'", "") for name in sorted(hooks))]
    return "\n".join(lines[1:]) + "\n"


@cache
def modules():
    loader = griffe.GriffeLoader(search_paths=[Path(portion.__file__).parents[2] for portion in (core, registry)])
    loader.load("poseplug")
    return loader.modules_collection


def public_names():
    """Return the public names of each module; None in PUBLIC stands for all that it defines or hands on."""
    return {module: names or sorted(_offered(modules()[module])) for module, names in PUBLIC.items()}


def _offered(module):
    """Return the names that a module defines, and those that it hands on ("import X as X")."""
    handed_on = set(re.findall(r"import (\w+) as \1$", module.filepath.read_text(), re.M))
    return handed_on | {
        name for name, member in module.members.items() if not (member.is_alias or name.startswith("_"))
    }


def describe(thing):
    labels = "".join(f"{label} " for label in LABELS if label in thing.labels)
    if thing.is_function:
        return [labels + thing.signature(return_type=True)]
    if thing.is_attribute:
        annotation = "" if thing.annotation is None else f": {thing.annotation}"
        if thing.labels == {"class-attribute"}:
            annotation = f": ClassVar[{thing.annotation}]"
        in_constructor = thing.labels == {"instance-attribute"}
        default = "" if thing.value is None or in_constructor else f" = {_default(thing.value)}"
        return [f"{labels}{thing.name}{annotation}{default}"]
    lines = [f"class {thing.name}({', '.join(str(base) for base in thing.bases)})"]
    for name, member in thing.members.items():
        if not name.startswith("_") or name in SPECIAL:
            lines += [f"    {line}" for line in describe(member)]
    return lines


def _default(value):
    return "..." if isinstance(value, MADE) else value


def test_what_plugins_rely_on_is_as_it_was():
    before, now = SNAPSHOT.read_text(encoding="utf-8"), surface()
    changes = difflib.unified_diff(before.splitlines(True), now.splitlines(True), "before", "now", n=0)
    assert before == now, ADVICE.format(changes="".join(changes))


def test_it_can_be_read_where_poseplug_is_installed(poseplug):
    result = poseplug("check", "--surface")
    assert result.exit_code == 0
    assert result.stdout == surface()


CODE = """
from abc import abstractmethod

@attrs.frozen
class Thing(Base):
    n: int
    kind: ClassVar[str] = "plain"
    @abstractmethod
    def sample(self, n: int) -> None: ...
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sample", "draw"),
        ("self, n: int", "self, count: int"),
        ("self, n: int", "self, n: int = 3"),
        ("-> None", "-> int"),
        ("    @abstractmethod\n", ""),
        ("    n: int\n", "    n: int = 3\n"),
        ("    n: int\n", "    n: int\n    m: int\n"),
        ("plain", "fancy"),
        ("ClassVar[str]", "str"),
        ("(Base)", ""),
    ],
)
def test_the_snapshot_sees_changes(old, new):
    before, after = (
        griffe.visit("module", filepath=Path("module.py"), code=code)["Thing"]
        for code in (CODE, CODE.replace(old, new))
    )
    assert describe(before) != describe(after)


def private_names(texts):
    """Return the names of poseplug's that modules import and that are not public."""
    public = {f"{module}.{name}" for module, names in public_names().items() for name in names}
    used = set()
    for node in (node for text in texts for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.Import):
            used |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            used |= {f"{node.module}.{alias.name}" for alias in node.names}
    assert used
    return {name for name in used if name.startswith("poseplug.") and name not in public}


PLUGINS = sorted(path.name for path in (ROOT / "plugins").iterdir() if path.is_dir())
ASKED = "make these names public (PUBLIC, above), or do not use them"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugins_that_ship_use_public_names_only(plugin):
    modules = (ROOT / "plugins" / plugin / "src").rglob("*.py")
    assert not private_names(path.read_text(encoding="utf-8") for path in modules), ASKED


@pytest.mark.parametrize("kind", kind_names())
def test_what_new_writes_uses_public_names_only(kind):
    written = render_plugin(choose_names("tiny"), kind)
    assert not private_names(text for path, text in written.items() if path.endswith(".py")), ASKED


if __name__ == "__main__":
    SNAPSHOT.write_text(surface(), encoding="utf-8")
