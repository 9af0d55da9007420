#!/usr/bin/python3
"""activation_schemes.py - what quantised activations cost: the loss of a model on a text with its activations as floats, as
int8 a token, and as int8 a group of columns, in float64, with the reference oracle that lies beside the project on some
machines (../shared/reference; TERCET_ORACLE names another place). Tercet itself shares nothing with it.

    python3 tests/native/activation_schemes.py FOLDER TOKENS [WINDOW]

FOLDER is a Hugging Face folder, TOKENS a file as `tercet tokenize --json` prints it. Prints a table in Markdown.
"""
import json
import os
import sys
from pathlib import Path

sys.dont_write_bytecode = True
root = Path(__file__).resolve().parents[2]
oracle = Path(os.environ.get("TERCET_ORACLE", root / "../shared/reference"))
if not (oracle / "forward.py").exists():
    sys.exit(f"there is no oracle in {oracle}: set TERCET_ORACLE")
sys.path.insert(0, str(oracle))

import numpy as np  # noqa: E402
from forward import forward  # noqa: E402
from read_hf import read_hf  # noqa: E402

SCHEMES = {
    "float": {"bits": None},
    "int8 a token": {"bits": 8, "per": "token"},
    "int8 a group of 256": {"bits": 8, "per": "group", "group": 256},
    "int8 a group of 128": {"bits": 8, "per": "group", "group": 128},
    "int8 a group of 32": {"bits": 8, "per": "group", "group": 32},
}


def mean_loss(model, windows):
    """Nats a token; the first token of a window is not predicted."""
    loss = count = 0
    for ids in windows:
        logits = forward(model, ids[:-1])
        logits = logits - logits.max(axis=-1, keepdims=True)
        chances = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        loss -= chances[np.arange(len(ids) - 1), ids[1:]].sum()
        count += len(ids) - 1
    return loss / count


def main():
    model = read_hf(sys.argv[1])
    ids = json.loads(Path(sys.argv[2]).read_text())["tokens"]
    window = int(sys.argv[3]) if len(sys.argv) > 3 else 256
    windows = [ids[at:at + window] for at in range(0, len(ids), window)]
    windows = [ids for ids in windows if len(ids) > 1]
    print(f"| activations | nats a token, {sum(map(len, windows)) - len(windows)} tokens |\n|---|---|")
    for name, scheme in SCHEMES.items():
        model.act.clear()
        model.act.update(scheme)
        print(f"| {name} | {mean_loss(model, windows):.5f} |", flush=True)


if __name__ == "__main__":
    main()
