"""Token files and windows."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy
import torch

from . import small
from tercet_train.data import Windows, open_tokens, write_tokens


class Files(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.root = Path(kept.name)

    def test_what_is_written_comes_back(self):
        for vocabulary, width in ((64, 2), (70_000, 4)):
            path = self.root / f"{vocabulary}.bin"
            made = write_tokens(path, [([1, 2, 3], 10), ([vocabulary - 1], 5)], vocabulary)
            self.assertEqual(path.stat().st_size, 4 * width)
            self.assertEqual(open_tokens(path).tokens.tolist(), [1, 2, 3, vocabulary - 1])
            self.assertEqual((made.text_bytes, made.bytes_per_token, made.vocabulary, made.tokenizer), (15, 3.75, vocabulary, ""))
            self.assertEqual(write_tokens(path, [([1], 1)], vocabulary, "0123abcd").tokenizer, "0123abcd")

    def test_bad_files_are_refused_by_name(self):
        path = self.root / "x.bin"
        with self.assertRaisesRegex(ValueError, "outside the vocabulary of 64"):
            write_tokens(path, [([64], 1)], 64)
        self.assertFalse(path.exists())
        with self.assertRaisesRegex(ValueError, "x.bin: is no token file"):
            open_tokens(path)
        write_tokens(path, [([1] * 10, 1)], 64)
        path.write_bytes(path.read_bytes()[:-1])
        with self.assertRaisesRegex(ValueError, "has 19 bytes, not 20"):
            open_tokens(path)
        Path(f"{path}.json").write_text(json.dumps({"dtype": "uint16"}))
        with self.assertRaisesRegex(ValueError, "no token file"):
            open_tokens(path)

    def test_windows_of_a_step_are_the_same_however_they_are_shared_out(self):
        windows = Windows(small.token_file(self.root), 16, seed=7)
        tokens, targets = windows.batch(3, 8)
        self.assertEqual(tokens.shape, (8, 16))
        self.assertTrue(torch.equal(tokens[:, 1:], targets[:, :-1]))
        parts = [windows.batch(3, 8, first, 2)[0] for first in range(0, 8, 2)]
        self.assertTrue(torch.equal(torch.cat(parts), tokens))
        self.assertFalse(torch.equal(windows.batch(4, 8)[0], tokens))
        self.assertFalse(torch.equal(Windows(windows.file, 16, seed=8).batch(3, 8)[0], tokens))

    def test_every_token_can_be_drawn_and_evaluation_sees_each_once(self):
        file = write_tokens(self.root / "few.bin", [(numpy.arange(20), 20)], 64)
        windows = Windows(file, 16, seed=1)
        seen = torch.cat([windows.batch(step, 4)[1] for step in range(20)])
        self.assertEqual(int(seen.max()), 19, "the last token is never learned")
        file = write_tokens(self.root / "more.bin", [(numpy.arange(49), 49)], 64)
        targets = torch.cat([targets for _, targets in Windows(file, 16, 0).in_order(2)])
        self.assertEqual(targets.flatten().tolist(), list(range(1, 49)))
        with self.assertRaisesRegex(ValueError, "do not fill one window"):
            Windows(file, 49, 0)

    def test_a_part_is_taken_from_all_over_a_text(self):
        windows = Windows(write_tokens(self.root / "long.bin", [(numpy.arange(61), 61)], 64), 6, 0)
        begins = lambda *words: torch.cat([tokens[:, 0] for tokens, _ in windows.spread(2, *words)]).tolist()
        self.assertEqual(begins(), [0, 6, 12, 18, 24, 30, 36, 42, 48, 54])
        self.assertEqual(begins(1000), begins())
        self.assertEqual(begins(24), [0, 12, 30, 42])
        self.assertEqual(begins(1), [0])
