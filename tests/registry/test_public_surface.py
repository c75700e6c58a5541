"""What plugins may rely on, frozen: plugins/README.md says what a change of it asks for.

``python tests/registry/test_public_surface.py`` writes the snapshot anew.
"""

import difflib
import enum
import importlib
import inspect
from functools import cached_property
from pathlib import Path

import attrs

from poseplug import registry

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
    "poseplug.registry.hookspecs": None,
    "poseplug.registry.conformance": ["conformance_tests"],
    "poseplug.core.interfaces": None,
    "poseplug.core.hooks": ["RunFacts", "RunHook"],
    "poseplug.core.settings": ["REQUIRED", "setting"],
    "poseplug.core.errors": ["PoseplugError", "did_you_mean"],
    "poseplug.core.data.batch": ["Origin", "PoseBatch"],
    "poseplug.core.geometry.camera": ["Camera", "look_at"],
    "poseplug.core.geometry.skeleton": ["Skeleton"],
    "poseplug.core.tensors": ["TensorRecord", "constant"],
    "poseplug.core.geometry.layouts": ["H36M_16", "H36M_17", "LAYOUTS", "layout"],
    "poseplug.core.data.normalise": ["Normalisation", "max_normalised", "screen_coordinates"],
    "poseplug.core.geometry.kinematics": ["bone_lengths", "bone_vectors", "forward_kinematics", "joints_from_bones"],
    "poseplug.core.geometry.viewpoints": ["TARGET_HEIGHT", "ViewRange", "around_origin"],
    "poseplug.core.sources.pose_table": ["PoseTable"],
    "poseplug.core.training.supervised": ["Supervised", "SupervisedConfig"],
    "poseplug.core.evaluation.evaluate": ["Evaluation"],
    "poseplug.core.evaluation.joint_errors": ["joint_errors", "pck"],
    "poseplug.core.evaluation.metric": ["Comparison", "Metric"],
    "poseplug.core.evaluation.protocol": ["Protocol"],
    "poseplug.core.storage.files": ["write_text"],
}


def surface():
    """Return the snapshot: one line for each thing that has a name."""
    lines = []
    for module_name, names in PUBLIC.items():
        module = importlib.import_module(module_name)
        lines += ["", f"# {module_name}"]
        for name in names if names is not None else _own_names(module):
            lines += _describe(name, getattr(module, name))
    return "\n".join(lines[1:]) + "\n"


def _own_names(module):
    def own(value):
        return (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__

    return sorted(name for name, value in vars(module).items() if not name.startswith("_") and own(value))


def _describe(name, thing):
    if inspect.isclass(thing):
        return _describe_class(name, thing)
    if inspect.isfunction(inspect.unwrap(thing)):
        return [f"{name}{_signature(thing)}"]
    if isinstance(thing, int):
        return [f"{name} = {thing}"]
    return [f"{name}: {type(thing).__name__}"]


def _describe_class(name, cls):
    bases = [base.__name__ for base in cls.__bases__ if base is not object]
    lines = [f"class {name}({', '.join(bases)})"]
    if issubclass(cls, enum.Enum):
        return [*lines, *(f"    {member.name} = {member.value!r}" for member in cls)]
    fields = {field.name: field for field in attrs.fields(cls)} if attrs.has(cls) else {}
    for field_name, field in fields.items():
        optional = "" if field.default is attrs.NOTHING else " (optional)"
        lines += [f"    {field_name}: {_text(field.type)}{optional}"]
    for member, annotation in vars(cls).get("__annotations__", {}).items():
        if member not in fields and not member.startswith("_"):
            default = vars(cls).get(member, ...)
            value = f" = {default!r}" if isinstance(default, bool | int | str | None) else ""
            lines.append(f"    {member}: {_text(annotation)}{value}")
    for member, value in vars(cls).items():
        special = member in ("__init__", "__call__", "__len__") and _is_written(value, cls)
        if special or (member not in fields and not member.startswith("_")):
            lines += _describe_member(member, value)
    return lines


def _is_written(function, cls):
    """Say whether a method stands in the source; attrs and Protocol write some of their own."""
    return getattr(function, "__qualname__", "").startswith(f"{cls.__qualname__}.") and not attrs.has(cls)


def _describe_member(name, value):
    if isinstance(value, staticmethod | classmethod):
        return [f"    {type(value).__name__} {name}{_signature(value.__func__)}"]
    if isinstance(value, property | cached_property):
        function = value.fget if isinstance(value, property) else value.func
        return [f"    property {name}: {_text(inspect.signature(function).return_annotation)}"]
    if inspect.isfunction(value):
        abstract = "abstract " if getattr(value, "__isabstractmethod__", False) else ""
        return [f"    {abstract}{name}{_signature(value)}"]
    return []


class _Plain:
    """Shows an annotation without quotes."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def _signature(function):
    signature = inspect.signature(function)
    parameters = [
        p if p.annotation is p.empty else p.replace(annotation=_Plain(_text(p.annotation)))
        for p in signature.parameters.values()
    ]
    returned = signature.return_annotation
    if returned is not signature.empty:
        returned = _Plain(_text(returned))
    return str(signature.replace(parameters=parameters, return_annotation=returned))


def _text(annotation):
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def test_what_plugins_rely_on_is_as_it_was():
    before, now = SNAPSHOT.read_text(encoding="utf-8"), surface()
    changes = difflib.unified_diff(before.splitlines(True), now.splitlines(True), "before", "now", n=0)
    assert before == now, ADVICE.format(changes="".join(changes))


def test_it_can_be_read_where_poseplug_is_installed(poseplug):
    result = poseplug("check", "--surface")
    assert result.exit_code == 0
    assert result.stdout == surface()


def test_the_snapshot_sees_changes():
    """A changed signature, a lost method and a new field all change the description."""

    class Before:
        def sample(self, n: int) -> None: ...

    class Renamed:
        def sample(self, count: int) -> None: ...

    class Lost:
        pass

    @attrs.frozen
    class Field:
        n: int

        def sample(self, n: int) -> None: ...

    descriptions = {tuple(_describe_class("Thing", cls)) for cls in (Before, Renamed, Lost, Field)}
    assert len(descriptions) == 4


if __name__ == "__main__":
    SNAPSHOT.write_text(surface(), encoding="utf-8")
