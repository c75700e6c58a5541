"""Settings: fields of a component's configuration that explain and check themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from poseplug.core.errors import did_you_mean

REQUIRED = attrs.NOTHING


def setting(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    choices: Sequence[str] = (),
    path: bool = False,
    names: str = "",
    check: Callable[[Any], str | None] | None = None,
) -> Any:
    """Return an attrs field with its explanation (shown by ``poseplug show``) and its bounds.

    Args:
        default: the default value, or REQUIRED.
        doc: what the setting does, one or two lines.
        unit: unit of the value, shown with it.
        minimum, maximum: inclusive bounds of a number, or of each number of a tuple.
        above: exclusive lower bound.
        choices: the only values allowed.
        path: the value is a file or folder; a run keeps it as an absolute path, so that it can be repeated elsewhere.
        names: the kind of component ("source", ...) that the value names, as ``BuildContext.build`` takes it; what that
            component needs of a run, this one needs too.
        check: returns what is wrong with a value, or None.

    Raises (when the class is constructed):
        ValueError: "must be at least 1, got 0" and the like.
    """

    def validate(_: Any, __: Any, value: Any) -> None:
        for number in value if isinstance(value, tuple) else (value,):
            if not isinstance(number, int | float):
                continue
            if number != number:
                raise ValueError("must be a number, got nan")
            if minimum is not None and number < minimum:
                raise ValueError(f"must be at least {minimum}, got {number}")
            if maximum is not None and number > maximum:
                raise ValueError(f"must be at most {maximum}, got {number}")
            if above is not None and number <= above:
                raise ValueError(f"must be above {above}, got {number}")
        if choices and value is not None and value not in choices:
            # Where no choice is near, the hint lists all of them, which the sentence before it does already.
            hint = did_you_mean(str(value), choices).partition(" Known:")[0]
            raise ValueError(f"must be one of {', '.join(choices)}; got '{value}'.{hint}")
        problem = check(value) if check else None
        if problem:
            raise ValueError(problem)

    metadata = {"doc": doc, "unit": unit, "choices": tuple(choices), "path": path, "names": names}
    return attrs.field(default=default, validator=validate, metadata=metadata)


def ordered(value: tuple[float, float]) -> str | None:
    """Say what is wrong with a range whose lower bound is not the first: a ``check`` of settings."""
    return None if value[0] <= value[1] else f"must give the lower bound first, got {value[0]} before {value[1]}"
