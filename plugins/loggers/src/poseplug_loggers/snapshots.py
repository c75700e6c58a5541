"""The weights of a run at every checkpoint."""

from __future__ import annotations

from pathlib import Path

import attrs
from safetensors import safe_open
from safetensors.torch import save_file

from poseplug.core.errors import PoseplugError
from poseplug.core.hooks import RunFacts, RunHook
from poseplug.core.interfaces import BuildContext
from poseplug.core.settings import setting


@attrs.frozen(kw_only=True)
class SnapshotsConfig:
    """Settings of the snapshots."""

    every: int = setting(1, "keep the weights at every so many checkpoints, and at the last", minimum=1)


class Snapshots(RunHook):
    """Keeps what checkpoints say of the parts: ``snapshots/STEP.safetensors`` in the run directory.

    How often: the run's ``checkpoint_every``, times ``every``. Curves over the training can be computed from them.

    Raises:
        PoseplugError: the run keeps no directory, or a file cannot be written.
    """

    Config = SnapshotsConfig

    def __init__(self, config: SnapshotsConfig, context: BuildContext) -> None:
        self.config, self.folder, self.between, self.last = config, Path(), 1, 0

    def configure(self, facts: RunFacts) -> None:
        if facts.directory is None:
            raise PoseplugError("Hook 'snapshots': this run has no directory to keep them in; leave the hook out.")
        self.folder = facts.directory / "snapshots"
        self.between, self.last = self.config.every * int(facts.experiment["checkpoint_every"]), facts.steps
        if facts.start:  # the process may have been killed between the checkpoint and its snapshot
            self.on_checkpoint(facts.start, facts.directory / "checkpoint" / "state.safetensors")

    def on_checkpoint(self, step: int, path: Path) -> None:
        if step % self.between and step < self.last:  # an interruption has a checkpoint too
            return
        kept = self.folder / f"{step:08}.safetensors"
        temporary = kept.with_name(f".{kept.name}")
        try:
            self.folder.mkdir(exist_ok=True)
            with safe_open(path, framework="pt") as state:
                names = [name for name in state.keys() if name.startswith("modules/")]  # noqa: SIM118 - not a mapping
                save_file({name: state.get_tensor(name) for name in names}, temporary, state.metadata())
            temporary.replace(kept)
        except OSError as error:
            raise PoseplugError(f"Hook 'snapshots' cannot write '{kept}': {error}.") from error
