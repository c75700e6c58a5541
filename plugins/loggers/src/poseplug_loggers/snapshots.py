"""The weights of a run at every checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from poseplug.core.errors import PoseplugError
from poseplug.core.hooks import RunFacts, RunHook
from poseplug.core.interfaces import BuildContext, NoConfig


class Snapshots(RunHook):
    """Keeps what a checkpoint says of the parts, every time: ``snapshots/STEP.safetensors`` in the run directory.

    How often: the run's ``checkpoint_every``. They are what curves over the training are computed from afterwards.

    Raises:
        PoseplugError: the run keeps no directory, or a file cannot be written.
    """

    def __init__(self, config: NoConfig, context: BuildContext) -> None:
        self.folder = Path()

    def configure(self, facts: RunFacts) -> None:
        if facts.directory is None:
            raise PoseplugError("Hook 'snapshots': this run has no directory to keep them in; leave the hook out.")
        self.folder = facts.directory / "snapshots"
        if facts.start:  # the process may have been killed between the checkpoint and its snapshot
            self.on_checkpoint(facts.start, facts.directory / "checkpoint" / "state.safetensors")

    def on_checkpoint(self, step: int, path: Path) -> None:
        kept = self.folder / f"{step:08}.safetensors"
        temporary = kept.with_name(f".{kept.name}")
        try:
            self.folder.mkdir(exist_ok=True)
            with safe_open(path, framework="pt") as state:
                names = [name for name in state.keys() if name.startswith("modules/")]  # noqa: SIM118 - not a mapping
                save_file({name: state.get_tensor(name) for name in names}, temporary, state.metadata())
            os.replace(temporary, kept)
        except OSError as error:
            raise PoseplugError(f"Hook 'snapshots' cannot write '{kept}': {error}.") from error
