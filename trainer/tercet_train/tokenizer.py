"""tokenizer.py: a vocabulary of one's own, by a well-kept library: byte-level BPE by `tokenizers` where it is installed (that is Hugging Face's), else
SentencePiece BPE with bytes to fall back on (Debian's python3-sentencepiece). Both kinds are read by `tercet pack`.
"""

import bz2
import contextlib
import gzip
import hashlib
import json
import lzma
import re
import shutil
import zlib
from pathlib import Path
from typing import Iterator

END_OF_TEXT = "<|endoftext|>"
# SentencePiece keeps lines apart; the newline comes back as its byte token.
NEWLINE_PIECE = "<0x0A>"
LINES_AT_ONCE = 2000


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class SentencePieceTokenizer:
    """fingerprint: which tokenizer it is. Token files and checkpoints keep it, so that another one's ids are not taken for this one's."""

    kind = "sentencepiece"

    def __init__(self, folder: "str | Path"):
        import sentencepiece

        self.folder = Path(folder)
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(self.folder / "tokenizer.model"))
        self.vocabulary = self.processor.get_piece_size()
        self.beginning = self.processor.bos_id()
        self.newline = self.processor.piece_to_id(NEWLINE_PIECE)
        # Its file also says where it was made.
        self.fingerprint = _fingerprint("\n".join(self.processor.id_to_piece(token) for token in range(self.vocabulary)))

    def documents(self, text: str) -> "Iterator[tuple[list[int], int]]":
        """Ids and bytes of each document of a text; documents end with a line "<|endoftext|>", whose bytes do not count."""
        for document in text.split(f"\n{END_OF_TEXT}\n"):
            if not document.strip():
                continue
            ids = [self.beginning]
            lines = document.strip("\n").split("\n")
            for begin in range(0, len(lines), LINES_AT_ONCE):
                for line in self.processor.encode(lines[begin : begin + LINES_AT_ONCE]):
                    ids += line
                    ids.append(self.newline)
            yield ids, len(document.encode())

    def encode(self, text: str) -> "list[int]":
        ids = [self.beginning]
        for index, line in enumerate(text.split("\n")):
            ids += ([self.newline] if index else []) + self.processor.encode(line)
        return ids

    def decode(self, ids: "list[int]") -> str:
        lines, line = [], []
        for token in ids:
            if token == self.newline:
                lines.append(self.processor.decode(line))
                line = []
            else:
                line.append(token)
        return "\n".join([*lines, self.processor.decode(line)])

    def copy_to(self, folder: Path) -> None:
        shutil.copyfile(self.folder / "tokenizer.model", folder / "tokenizer.model")
        facts = {
            "tokenizer_class": "LlamaTokenizer",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "add_bos_token": True,
            "add_eos_token": False,
            "legacy": False,
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(facts, indent=1) + "\n")


class ByteLevelTokenizer:
    """fingerprint: as SentencePieceTokenizer's."""

    kind = "tokenizers"

    def __init__(self, folder: "str | Path"):
        import tokenizers

        self.folder = Path(folder)
        self.tokenizer = tokenizers.Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self.vocabulary = self.tokenizer.get_vocab_size()
        self.beginning = self.tokenizer.token_to_id(END_OF_TEXT)
        self.fingerprint = _fingerprint(self.tokenizer.to_str())

    def documents(self, text: str) -> "Iterator[tuple[list[int], int]]":
        for document in text.split(f"\n{END_OF_TEXT}\n"):
            if document.strip():
                yield [self.beginning, *self.tokenizer.encode(document).ids], len(document.encode())

    def encode(self, text: str) -> "list[int]":
        return [self.beginning, *self.tokenizer.encode(text).ids]

    def decode(self, ids: "list[int]") -> str:
        return self.tokenizer.decode(ids)

    def copy_to(self, folder: Path) -> None:
        shutil.copyfile(self.folder / "tokenizer.json", folder / "tokenizer.json")
        facts = {
            "tokenizer_class": "GPT2Tokenizer",
            "bos_token": END_OF_TEXT,
            "eos_token": END_OF_TEXT,
            "unk_token": END_OF_TEXT,
            "add_prefix_space": False,
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(facts, indent=1) + "\n")


def open_tokenizer(folder: "str | Path") -> "SentencePieceTokenizer | ByteLevelTokenizer":
    folder = Path(folder)
    if (folder / "tokenizer.model").exists():
        return SentencePieceTokenizer(folder)
    if (folder / "tokenizer.json").exists():
        return ByteLevelTokenizer(folder)
    raise ValueError(f"{folder}: holds neither tokenizer.model nor tokenizer.json; make one with `python -m tercet_train tokenizer`")


def train_tokenizer(texts: "list[Path]", folder: "str | Path", vocabulary: int, kind: str = "auto", most_bytes: int = 10_000_000) -> str:
    """Trains on the first `most_bytes` of each text and writes into `folder`. kind: "tokenizers", "sentencepiece", or "auto" for whichever is
    installed, in that order. Returns the kind."""
    folder = Path(folder)
    if kind == "auto":
        kind = "tokenizers" if _installed("tokenizers") else "sentencepiece"
    if kind not in ("tokenizers", "sentencepiece"):
        raise ValueError(f"kind is tokenizers, sentencepiece or auto, not {kind!r}")
    if not _installed(kind):
        raise ValueError(f"the Python package {kind} is not installed (Debian: python3-sentencepiece; pip: {kind})")
    # Read first: a library that is given an iterator may swallow what goes wrong in it.
    lines = list(_lines(texts, most_bytes))
    if not lines:
        raise ValueError(f"{', '.join(map(str, texts))}: holds no line of text to make a vocabulary of")
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "sentencepiece":
        _train_sentencepiece(lines, folder, vocabulary)
    else:
        _train_byte_level(lines, folder, vocabulary)
    return kind


def _installed(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None


def _lines(texts: "list[Path]", most_bytes: int) -> Iterator[str]:
    for path in texts:
        seen = 0
        with open_text(path) as file:
            for line in file:
                if seen > most_bytes:
                    break
                seen += len(line)
                if line.strip() and not line.startswith(END_OF_TEXT):
                    yield line.rstrip("\n")


@contextlib.contextmanager
def open_text(path: "str | Path"):
    """A text file, also a packed one (.xz, .gz, .bz2). What is wrong with its bytes is an error that names it."""
    openers = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}
    try:
        with openers.get(Path(path).suffix, open)(path, "rt", encoding="utf-8") as file:
            yield file
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is no UTF-8 text ({error.reason} at byte {error.start} of a part): convert it first, as with `iconv -t utf-8`") from error
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no such file") from None
    except (lzma.LZMAError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: is damaged, or is not packed as its name says ({error})") from error


def _train_sentencepiece(lines: "list[str]", folder: Path, vocabulary: int) -> None:
    try:
        _call_sentencepiece(lines, folder, vocabulary)
    except RuntimeError as error:
        told = str(error)
        # Its own words are of its source files.
        most, least = re.search(r"a value <= (\d+)", told), re.search(r"\d+ vs (\d+)", told)
        if most:
            raise ValueError(f"a vocabulary of {vocabulary} is too large for so little text: at most {most[1]} (--vocabulary), or give more text") from error
        if least:
            raise ValueError(f"a vocabulary of {vocabulary} is too small: 256 bytes and the letters of this text alone are {least[1]} (--vocabulary)") from error
        raise


def _call_sentencepiece(lines: "list[str]", folder: Path, vocabulary: int) -> None:
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=vocabulary,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        character_coverage=1.0,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        max_sentence_length=100_000,
        num_threads=1,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink(missing_ok=True)


def _train_byte_level(lines: "list[str]", folder: Path, vocabulary: int) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END_OF_TEXT], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
