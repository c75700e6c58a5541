"""A stranger's plugin: a metric, an input, two lifters and an objective with an output head of its own."""

from poseplug.registry import hookimpl

POSEPLUG_API = 1


@hookimpl
def register_metrics(register):
    """Register worst_joint."""
    register(
        "worst_joint", "poseplug_outside.measure:WorstJoint", summary="error of the worst joint", paper="none: new"
    )


@hookimpl
def register_inputs(register):
    """Register box_size."""
    register("box_size", "poseplug_outside.lift:BoxSize", summary="how large people look", paper="none: new")


@hookimpl
def register_lifters(register):
    """Register two_part and flat."""
    register("two_part", "poseplug_outside.lift:TwoPart", summary="first the plane, then the depth", paper="none: new")
    register("flat", "poseplug_outside.lift:Flat", summary="people of paper", paper="none: new")


@hookimpl
def register_objectives(register):
    """Register in_bones."""
    register("in_bones", "poseplug_outside.train:InBones", summary="poses in units of their bones", paper="none: new")
