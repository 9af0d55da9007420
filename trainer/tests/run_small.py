"""run_small.py FOLDER [NAME=VALUE...]: the small training of the tests as a process of its own, to be killed or started several times.
Goes on from the folder's checkpoint if there is one."""

import sys
from pathlib import Path

from . import small
from tercet_train.data import open_tokens
from tercet_train.train import Trainer

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    changes = {name: int(value) for name, value in (word.split("=") for word in sys.argv[2:])}
    trainer = Trainer(
        small.shape(), small.settings(**changes), open_tokens(folder.parent / "train.bin"), open_tokens(folder.parent / "valid.bin"), folder, quiet=True
    )
    trainer.resume()
    trainer.run()
