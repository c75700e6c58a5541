"""Trained detectors in folders: what they are, their weights, how good they were."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import cattrs
import tomli_w
from safetensors import SafetensorError, safe_open

from poseplug.core.detection.detector import Detector
from poseplug.core.errors import PoseplugError
from poseplug.core.geometry.skeleton import Skeleton
from poseplug.core.storage.files import write_text
from poseplug.core.storage.model_folder import ModelFolder
from poseplug.core.storage.tensor_file import load_tensors, save_tensors


@attrs.frozen
class DetectorFolder(ModelFolder):
    """Paths of a trained detector's files.

    ``detector.toml`` says what it is: the component with its settings, its layout, and how it was trained.
    """

    describes = "detector.toml"
    holds, goes_on = "a detector", "go on with --resume"

    def write_about(self, table: Mapping[str, Any]) -> None:
        """Write what it is; raise PoseplugError if that cannot be written."""
        write_text(self.description, tomli_w.dumps(table))

    def read_about(self) -> dict[str, Any]:
        """Return what it is; raise PoseplugError if no detector is here, or its description is damaged."""
        try:
            table = tomllib.loads(self.description.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise PoseplugError(
                f"'{self.path}' holds no detector; expected a folder that 'poseplug detector train --out' has written."
            ) from None
        except (OSError, ValueError) as error:
            raise PoseplugError(f"'{self.description}' cannot be read: {error}.") from None
        if not isinstance(table.get("detector"), dict) or not isinstance(table["detector"].get("name"), str):
            raise PoseplugError(f"'{self.description}' names no detector; train it again.")
        return table

    def save(self, detector: Detector, result: Mapping[str, Any]) -> None:
        """Write weights and result; raise PoseplugError if they cannot be written."""
        save_tensors(self.model, detector.state_dict(), {"skeleton": cattrs.unstructure(detector.skeleton)})
        write_text(self.result, json.dumps(result, indent=2, allow_nan=False) + "\n")

    def layout(self) -> Skeleton:
        """Return the layout of what it finds; raise PoseplugError if its training is not finished."""
        if not self.model.exists():
            self.read_about()
            raise PoseplugError(f"'{self.path}' holds a detector whose training is not finished; finish it: --resume.")
        _, facts = load_tensors(self.model)
        return cattrs.structure(facts["skeleton"], Skeleton)

    def load(self, detector: Detector) -> None:
        """Give a detector that was built as the table says its trained weights.

        Raises:
            PoseplugError: they are missing or damaged, or those of another one.
        """
        tensors, _ = load_tensors(self.model)
        try:
            detector.load_state_dict(tensors)
        except RuntimeError as error:
            raise PoseplugError(f"'{self.model}' does not belong to this detector: {error}") from error
        detector.untrained, detector.notes = "", ()


def stored_layout(weights: Path) -> Skeleton | None:
    """Return the layout that a detector's ``model.safetensors`` names; None where a file is another's or not there."""
    try:
        with safe_open(weights, framework="pt") as file:
            facts = json.loads((file.metadata() or {})["poseplug"])
        return cattrs.structure(facts["skeleton"], Skeleton)
    except (OSError, SafetensorError, KeyError, ValueError, cattrs.BaseValidationError):
        return None
