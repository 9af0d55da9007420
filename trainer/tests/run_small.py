"""run_small.py FOLDER [NAME=VALUE...]: the small training of the tests as a process of its own, to be killed or started several times.
Goes on from the folder's checkpoint if there is one."""

import contextlib
import os
import signal
import sys
from pathlib import Path
from unittest import mock

from . import small
from tercet_train import train
from tercet_train.data import open_tokens
from tercet_train.train import Trainer


def run_small(folder: Path, killed: "tuple[str, int] | None" = None, **changes) -> None:
    """killed: "before log", "after log" or "in checkpoint" of a step: there it ends as by kill -9."""
    with contextlib.ExitStack() as patches:
        if killed is not None:
            patches.enter_context(_kill_at(*killed))
        _train(folder, changes)


def _kill_at(place: str, step: int):
    real_log, real_replace = train._log, os.replace

    def log(path, row):
        if place != "before log" or row["step"] != step:
            real_log(path, row)
        if place != "in checkpoint" and row["step"] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        log.step = row["step"]

    def replace(part, path):
        # The checkpoint is written beside the old one, which is all that the next start may see.
        if place == "in checkpoint" and log.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        real_replace(part, path)

    log.step = 0
    patches = contextlib.ExitStack()
    patches.enter_context(mock.patch.object(train, "_log", log))
    patches.enter_context(mock.patch("tercet_train.checkpoint.os.replace", replace))
    return patches


def _train(folder: Path, changes: "dict[str, int]") -> None:
    trainer = Trainer(
        small.shape(), small.settings(**changes), open_tokens(folder.parent / "train.bin"), open_tokens(folder.parent / "valid.bin"), folder, quiet=True
    )
    trainer.resume()
    trainer.run()


if __name__ == "__main__":
    run_small(Path(sys.argv[1]), **{name: int(value) for name, value in (word.split("=") for word in sys.argv[2:])})
