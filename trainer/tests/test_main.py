"""The command line, from a text to a packed model."""

import contextlib
import io
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from . import small
from tercet_train.__main__ import main

try:
    import sentencepiece  # noqa: F401
except ImportError:
    sentencepiece = None


def call(*words):
    """Status, standard output and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(word) for word in words])
        except SystemExit as exit:
            status = exit.code
    return status, out.getvalue(), err.getvalue()


class Commands(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.root = Path(kept.name)

    def test_help_of_each(self):
        with mock.patch.dict(os.environ, {"COLUMNS": "100"}):
            status, text, _ = call("--help")
            self.assertEqual(status, 0)
            for name in ("tokenizer", "tokenize", "train", "sample", "export", "report"):
                self.assertRegex(text, rf"\n +{name}\s+[a-z]")
                status, of_it, _ = call(name, "--help")
                self.assertEqual(status, 0, name)
                self.assertIn(f"usage: python -m tercet_train {name}", of_it)

    def test_errors_are_one_line(self):
        status, _, text = call("sample", self.root / "nothing", "--tokenizer", self.root)
        self.assertEqual(status, 1)
        self.assertRegex(text, r"^tercet_train: error: .*checkpoint.pt: there is no checkpoint; train first.*\n$")
        status, _, text = call("report", self.root)
        self.assertEqual(status, 2)

    @unittest.skipUnless(sentencepiece, "sentencepiece is not installed: the way from text to model is not tried")
    def test_from_text_to_a_packed_model(self):
        root, text = self.root, self.root / "text.txt"
        text.write_text("One morning Tom went to the store. He bought three apples and gave one to Ann.\n" * 60)
        shape = "--width 32 --heads 2 --layers 1 --inner 64 --context 16 --batch 4 --warmup 2 --evaluate-every 10 --learning-rate 0.01".split()

        def good(*words):
            status, out, err = call(*words)
            self.assertEqual(status, 0, err)
            return out + err

        good("tokenizer", text, "-o", root / "tok", "--vocabulary", 300, "--kind", "sentencepiece")
        self.assertIn("bytes a token", good("tokenize", text, "--tokenizer", root / "tok", "-o", root / "a.bin"))
        train = ["train", "--data", root / "a.bin", "--valid", root / "a.bin", "--tokenizer", root / "tok", *shape]
        good(*train, "-o", root / "twin", "--float", "--steps", 20)
        self.assertIn("step 20/20", good(*train, "-o", root / "run", "--steps", 20, "--teacher", root / "twin", "--sample-every", 10))
        self.assertIn("goes on at step 20", good(*train, "-o", root / "run", "--steps", 20, "--teacher", root / "twin", "--sample-every", 10))
        self.assertEqual((root / "run" / "samples.txt").read_text().count("--- step"), 2)
        self.assertTrue(good("sample", root / "run", "--tokenizer", root / "tok", "-p", "One", "-n", 5).startswith("One"))
        self.assertIn("packed, ", good("export", root / "run", "--tokenizer", root / "tok", "-o", root / "hf"))
        self.assertIn("Ternary costs", good("report", root / "run", "--valid", root / "a.bin", "--twin", root / "twin", "-o", root / "report"))
        if small.PROGRAM:
            done = subprocess.run([small.PROGRAM, "pack", str(root / "hf"), "-o", str(root / "m.tercet"), "--quiet"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
