"""small.py: what the trainer's tests share: a text, a token file, shapes and settings that take a second on one core."""

import os
import sys
from pathlib import Path

import numpy
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tercet_train.data import TokenFile, write_tokens  # noqa: E402
from tercet_train.model import ModelShape  # noqa: E402
from tercet_train.train import TrainSettings  # noqa: E402

torch.set_num_threads(1)

VOCABULARY = 64
# The engine to compare with; the test of the whole project sets it.
PROGRAM = os.environ.get("TERCET_PROGRAM", "")


def learnable_ids(count: int, seed: int = 0) -> "numpy.ndarray":
    """Ids of which each follows from the one before three times in four."""
    random = numpy.random.default_rng(seed)
    next_of = numpy.random.default_rng(99).permutation(VOCABULARY)
    ids = numpy.empty(count, dtype=numpy.int64)
    at = 0
    for index in range(count):
        at = int(next_of[at]) if random.random() < 0.75 else int(random.integers(VOCABULARY))
        ids[index] = at
    return ids


def token_file(folder: Path, name: str = "train.bin", count: int = 4000, seed: int = 0) -> TokenFile:
    return write_tokens(folder / name, [(learnable_ids(count, seed), 3 * count)], VOCABULARY)


def shape(**changes) -> ModelShape:
    facts = dict(vocabulary=VOCABULARY, width=32, layers=2, heads=2, kv_heads=2, inner=64, context=16)
    return ModelShape(**{**facts, **changes})


def settings(**changes) -> TrainSettings:
    facts = dict(steps=12, batch=4, warmup=3, checkpoint_every=5, evaluate_every=6, evaluate_tokens=256, learning_rate=1e-2)
    return TrainSettings(**{**facts, **changes})
