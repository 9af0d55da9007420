"""Tokenizers of one's own: whatever of the two libraries is installed."""

import importlib.util
import lzma
import tempfile
import unittest
from pathlib import Path

from . import small  # noqa: F401 - finds the package
from tercet_train.tokenizer import open_text, open_tokenizer, train_tokenizer

TEXT = "One morning Tom went to the store.\nHe bought three apples — and a café au lait.\n" * 40


class Tokenizers(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.root = Path(kept.name)
        self.text = self.root / "text.txt"
        self.text.write_text(TEXT, encoding="utf-8")

    def check(self, kind, vocabulary):
        self.assertEqual(train_tokenizer([self.text], self.root / kind, vocabulary, kind), kind)
        tokenizer = open_tokenizer(self.root / kind)
        self.assertEqual(tokenizer.vocabulary, vocabulary)
        for text in ("Tom went to the store.", "two\nlines", "unseen: \N{SNOWMAN} Ж"):
            ids = tokenizer.encode(text)
            self.assertEqual(ids[0], tokenizer.beginning)
            self.assertEqual(tokenizer.decode(ids[1:]), text)
        documents = list(tokenizer.documents("First one.\n<|endoftext|>\nThe sécond.\n<|endoftext|>\n"))
        self.assertEqual([size for _, size in documents], [10, len("The sécond.".encode())])
        self.assertTrue(all(ids[0] == tokenizer.beginning for ids, _ in documents))
        tokenizer.copy_to(self.root)
        self.assertTrue((self.root / "tokenizer_config.json").exists())

    @unittest.skipUnless(importlib.util.find_spec("sentencepiece"), "sentencepiece is not installed: its tokenizers are not tried")
    def test_sentencepiece(self):
        self.check("sentencepiece", 320)

    @unittest.skipUnless(importlib.util.find_spec("tokenizers"), "the package tokenizers is not installed: byte-level BPE is not tried")
    def test_byte_level(self):
        self.check("tokenizers", 300)

    def test_what_is_missing_is_named(self):
        with self.assertRaisesRegex(ValueError, "neither tokenizer.model nor tokenizer.json"):
            open_tokenizer(self.root / "nowhere")
        with self.assertRaisesRegex(ValueError, "kind is tokenizers, sentencepiece or auto"):
            train_tokenizer([self.text], self.root / "x", 300, "words")

    @unittest.skipUnless(importlib.util.find_spec("sentencepiece"), "sentencepiece is not installed: its errors are not tried")
    def test_texts_that_will_not_do_are_named(self):
        bad, torn, empty = self.root / "bad.txt", self.root / "torn.txt.xz", self.root / "empty.txt"
        bad.write_bytes(b"plain\nand \xff\xfe then\n")
        torn.write_bytes(lzma.compress(TEXT.encode())[:-20])
        empty.write_text("\n\n")
        for text, vocabulary, told in (
            (self.root / "none.txt", 300, "none.txt: there is no such file"),
            (bad, 300, "bad.txt: is no UTF-8 text"),
            (torn, 300, "torn.txt.xz: is damaged"),
            (empty, 300, "empty.txt: holds no line of text"),
            (self.text, 5, r"a vocabulary of 5 is too small: .* alone are \d+"),
            (self.text, 30_000, r"a vocabulary of 30000 is too large for so little text: at most \d+"),
        ):
            with self.assertRaisesRegex(ValueError, told):
                train_tokenizer([text], self.root / "refused", vocabulary, "sentencepiece")

    @unittest.skipUnless(importlib.util.find_spec("sentencepiece"), "sentencepiece is not installed: its tokenizers are not tried")
    def test_a_fingerprint_tells_tokenizers_apart(self):
        names = []
        for index, vocabulary in enumerate((300, 310, 300)):
            train_tokenizer([self.text], self.root / str(index), vocabulary, "sentencepiece")
            names.append(open_tokenizer(self.root / str(index)).fingerprint)
        self.assertEqual(names[0], names[2])
        self.assertNotEqual(names[0], names[1])

    def test_packed_texts_are_read(self):
        packed = self.root / "text.txt.xz"
        packed.write_bytes(lzma.compress(TEXT.encode()))
        with open_text(packed) as file:
            self.assertEqual(file.read(), TEXT)
