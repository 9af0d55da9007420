"""runs.py: finds again what a training left in its folder. Knows checkpoints and logs, and nothing of how they were made."""

import csv
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from .checkpoint import load_checkpoint
from .folder import open_folder
from .model import ModelShape, build_model


@dataclass
class Run:
    """model: on the CPU, in eval(). rows: the log, newest last. settings: those of the training."""

    folder: Path
    shape: ModelShape
    model: nn.Module
    settings: dict
    step: int
    seconds: float
    rows: "list[dict]"
    # Fingerprint of the one whose ids it was trained on; "": not known.
    tokenizer: str = ""

    @property
    def tokens(self) -> int:
        """Trained on, repeats counted."""
        return self.step * self.settings["batch"] * self.shape.context


def open_run(folder: "str | Path") -> Run:
    folder = Path(folder)
    state = load_checkpoint(folder / "checkpoint.pt")
    shape = ModelShape(**state["shape"])
    model = build_model(shape)
    model.load_state_dict(state["model"])
    rows = []
    if (folder / "log.csv").exists():
        with open(folder / "log.csv", newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if None not in row.values()]
    return Run(folder, shape, model.eval(), state["settings"], state["step"], state["seconds"], rows, state.get("tokenizer", ""))


def open_start(folder: "str | Path") -> "dict[str, Tensor]":
    """Parameters to begin with: of a run, or of a packed Hugging Face folder."""
    folder = Path(folder)
    return open_folder(folder)[1] if (folder / "config.json").exists() else open_run(folder).model.state_dict()
