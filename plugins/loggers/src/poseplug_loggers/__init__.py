"""Run-time hooks that write losses and metrics to files or to TensorBoard, and keep weights."""

from __future__ import annotations

from poseplug.registry import hookimpl
from poseplug.registry.hookspecs import Register

POSEPLUG_API = 1


@hookimpl
def register_hooks(register: Register) -> None:
    """Register logfile, snapshots and tensorboard."""
    register("logfile", "poseplug_loggers.logfile:LogFile", summary="losses and metrics as CSV or JSON lines")
    register("snapshots", "poseplug_loggers.snapshots:Snapshots", summary="the weights at every checkpoint")
    register(
        "tensorboard",
        "poseplug_loggers.tensorboard:TensorBoard",
        summary="losses and metrics for TensorBoard (extra: poseplug-loggers[tensorboard])",
    )
