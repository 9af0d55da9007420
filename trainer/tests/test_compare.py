"""The experiments, with two steps of training: every table is made, runs are shared, and a second time nothing is trained again."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from . import small
from experiments.compare import QUESTIONS, Bench, write_answer

try:
    import sentencepiece  # noqa: F401
except ImportError:
    sentencepiece = None


@unittest.skipUnless(sentencepiece, "sentencepiece is not installed: the experiments are not tried")
class Experiments(unittest.TestCase):
    def test_every_table(self):
        with tempfile.TemporaryDirectory() as name:
            root = Path(name)
            (root / "text.txt").write_text("One morning Tom went to the store. He bought three apples and gave one to Ann.\n" * 80)
            shape = small.shape(width=128, inner=128, layers=1, vocabulary=300)
            bench = Bench(root / "out", root / "text.txt", shape, small.settings(steps=2), quiet=True)
            self.assertGreater(bench.valid.text_bytes, 500)
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                made = {question: write_answer(bench, question, [1]) for question in QUESTIONS}
                trained = said.getvalue().count("from step 0")
                # float, tuned twice, from nothing alone, distilled, with a ramp, by row and by group, four of other rates.
                self.assertEqual(trained, 12)
                self.assertEqual(write_answer(bench, "scale", [1]), made["scale"])
            self.assertEqual(said.getvalue().count("from step"), trained)
            for text, rows in zip(made.values(), (5, 2, 4, 3, 6)):
                self.assertEqual(text.count("\n| "), rows + 1)
                self.assertIn("| +0.00 % |", text)
