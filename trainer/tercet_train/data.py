"""data.py: token files and the windows that are trained on.

A token file is little-endian uint16 (vocabularies to 65,536) or uint32 ids, nothing else, with a .json beside it that says which, how many bytes of text
it stands for and which tokenizer made it (its fingerprint; files of before have none). Which windows step n sees depends on the seed and n alone: that is what makes a resumed
run equal to one that was never stopped, on any number of machines.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import torch
from torch import Tensor


@dataclass
class TokenFile:
    """tokens: a memory map (count,). text_bytes: UTF-8 bytes of the text, for bits per byte. tokenizer: fingerprint of the one that made it; "": not known."""

    path: Path
    tokens: "numpy.ndarray"
    text_bytes: int
    vocabulary: int
    tokenizer: str = ""

    @property
    def bytes_per_token(self) -> float:
        return self.text_bytes / max(1, len(self.tokens))

    def first(self, count: int) -> "TokenFile":
        """Its first tokens alone, with their share of the text."""
        kept = self.tokens[:count]
        return replace(self, tokens=kept, text_bytes=round(len(kept) * self.bytes_per_token))


def write_tokens(path: "str | os.PathLike", chunks, vocabulary: int, tokenizer: str = "") -> TokenFile:
    """chunks: an iterable of (ids, bytes of text). tokenizer: its fingerprint. The file appears whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = numpy.dtype("<u2" if vocabulary <= 1 << 16 else "<u4")
    part = path.with_suffix(path.suffix + ".part")
    text_bytes = count = 0
    with open(part, "wb") as file:
        for ids, bytes_of_text in chunks:
            array = numpy.asarray(ids, dtype=numpy.int64)
            if len(array) and (array.min() < 0 or array.max() >= vocabulary):
                raise ValueError(f"a token id of {path.name} is outside the vocabulary of {vocabulary}")
            file.write(array.astype(kind).tobytes())
            text_bytes += bytes_of_text
            count += len(array)
    facts = {"dtype": kind.name, "tokens": count, "text_bytes": text_bytes, "vocabulary": vocabulary, "tokenizer": tokenizer}
    _facts_path(path).write_text(json.dumps(facts, indent=1) + "\n")
    os.replace(part, path)
    return open_tokens(path)


def open_tokens(path: "str | os.PathLike") -> TokenFile:
    path = Path(path)
    try:
        facts = json.loads(_facts_path(path).read_text())
        kind = numpy.dtype(facts["dtype"]).newbyteorder("<")
        count, text_bytes, vocabulary = (int(facts[name]) for name in ("tokens", "text_bytes", "vocabulary"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = "there is no such file" if not path.exists() else f"what belongs beside it: {error}"
        raise ValueError(f"{path}: is no token file ({why}); make one with `python -m tercet_train tokenize`") from error
    if not path.exists():
        raise ValueError(f"{path}: is gone, only {_facts_path(path).name} is there: make it again with `python -m tercet_train tokenize`")
    if path.stat().st_size != count * kind.itemsize:
        raise ValueError(f"{path}: has {path.stat().st_size} bytes, not {count * kind.itemsize}: make it again")
    return TokenFile(path, numpy.memmap(path, dtype=kind, mode="r", shape=(count,)), text_bytes, vocabulary, str(facts.get("tokenizer", "")))


def _facts_path(path: Path) -> Path:
    return path.with_suffix(path.suffix + ".json")


class Windows:
    """Random windows of a token file, the same for a step whoever asks and whenever."""

    def __init__(self, file: TokenFile, context: int, seed: int):
        if len(file.tokens) < context + 1:
            raise ValueError(f"{file.path}: {len(file.tokens)} tokens do not fill one window of {context + 1}: give more text, or a smaller --context")
        self.file, self.context, self.seed = file, context, seed

    def batch(self, step: int, whole: int, first: int = 0, count: "int | None" = None) -> "tuple[Tensor, Tensor]":
        """Of the `whole` windows of this step `count` from `first` on: those of a step are the same into however many parts it is cut and
        on however many machines. Inputs and targets, (count, context), int64."""
        random = numpy.random.Generator(numpy.random.Philox(key=self.seed, counter=[0, 0, 0, step]))
        starts = random.integers(0, len(self.file.tokens) - self.context, whole)
        return self._gather(starts[first : whole if count is None else first + count])

    def _gather(self, starts) -> "tuple[Tensor, Tensor]":
        rows = numpy.stack([self.file.tokens[start : start + self.context + 1] for start in starts])
        rows = torch.from_numpy(rows.astype(numpy.int64))
        return rows[:, :-1], rows[:, 1:]

    def in_order(self, size: int, most_tokens: "int | None" = None):
        """The whole file once, windows beside each other, for evaluation. The last window that is not whole is left out."""
        tokens = len(self.file.tokens) if most_tokens is None else min(most_tokens, len(self.file.tokens))
        starts = list(range(0, max(1, tokens - self.context), self.context))
        yield from self._batches(starts, size)

    def spread(self, size: int, most_tokens: "int | None" = None):
        """As in_order, but of a part of the file windows from begin to end of it: its first tokens may be one book, easier or harder than the rest."""
        starts = list(range(0, max(1, len(self.file.tokens) - self.context), self.context))
        wanted = len(starts) if most_tokens is None else min(len(starts), max(1, most_tokens // self.context))
        yield from self._batches([starts[index * len(starts) // wanted] for index in range(wanted)], size)

    def _batches(self, starts: "list[int]", size: int):
        for index in range(0, len(starts), size):
            yield self._gather(starts[index : index + size])
