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
        small.token_file(self.root)
        for words, told in (
            (["--data", self.root / "none.bin"], "none.bin: is no token file .there is no such file.; make one with `python -m tercet_train tokenize`"),
            (["--context", 8000], "4000 tokens do not fill one window of 8001: give more text, or a smaller --context"),
            (["--layers", 0], "layers is at least 1, not 0"),
            (["--batch", 0], "batch is at least 1"),
            (["--checkpoint-every", 0], "checkpoint_every is at least 1"),
            (["--warmup", -1], "warmup is not below 0"),
            (["--learning-rate", 0], "learning_rate is above 0"),
            (["--second-stage", 2], "second_stage is a share of the steps, 0 to 1"),
            (["--teacher", self.root / "no"], "there is no checkpoint; train first"),
        ):
            status, _, text = call("train", *([] if "--data" in words else ["--data", self.root / "train.bin"]), "-o", self.root / "run", *words)
            self.assertEqual(status, 1, words)
            self.assertRegex(text, rf"^tercet_train: error: [^\n]*{told}[^\n]*\n$")
        self.assertFalse((self.root / "run").exists())
        for words in (["--accumulate", 0], ["--accumulate", "some"], ["--family", "bert"], ["--precision", "fp8"]):
            self.assertEqual(call("train", "--data", self.root / "train.bin", "-o", self.root / "run", *words)[0], 2, words)

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
        again = good(*train, "-o", root / "run", "--steps", 20, "--teacher", root / "twin", "--sample-every", 10)
        self.assertRegex(again, f"all 20 steps are done already; .* begin another folder with --start {root / 'run'}")
        self.assertEqual((root / "run" / "samples.txt").read_text().count("--- step"), 2)
        self.assertTrue(good("sample", root / "run", "--tokenizer", root / "tok", "-p", "One", "-n", 5).startswith("One"))
        self.assertIn("packed, ", good("export", root / "run", "--tokenizer", root / "tok", "-o", root / "hf"))
        self.assertIn("Ternary costs", good("report", root / "run", "--valid", root / "a.bin", "--twin", root / "twin", "-o", root / "report"))
        if small.PROGRAM:
            done = subprocess.run([small.PROGRAM, "pack", str(root / "hf"), "-o", str(root / "m.tercet"), "--quiet"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.wrong_tokenizers_and_models(train[:1] + train[5:])

    def wrong_tokenizers_and_models(self, train):
        """What belongs to another vocabulary is refused before anything is computed: ids of one tokenizer are other words of the next."""
        root = self.root
        other, larger = root / "other.txt", root / "larger"
        other.write_text("Ann gave the apples back to Tom and went home over the long white bridge by the mill.\n" * 60)
        for folder, vocabulary in ((root / "same-size", 300), (larger, 310)):
            self.assertEqual(call("tokenizer", other, "-o", folder, "--vocabulary", vocabulary, "--kind", "sentencepiece")[0], 0)
            self.assertEqual(call("tokenize", other, "--tokenizer", folder, "-o", f"{folder}.bin")[0], 0)
        data, plain = ["--data", root / "a.bin"], [word for word in train if word not in ("--tokenizer", root / "tok")]
        sized, far = ["--tokenizer", root / "same-size"], ["--tokenizer", larger]
        for words, told in (
            (["sample", root / "run", *sized], "same-size: is not of the tokenizer that .*run was trained with"),
            (["export", root / "run", *far, "-o", root / "no"], "larger: has a vocabulary of 310, the model of .*run one of 300"),
            (["export", root / "run", *sized, "-o", root / "no"], "is not of the tokenizer"),
            (["report", root / "run", "--valid", f"{larger}.bin", "-o", root / "no"], r"larger.bin: has a vocabulary of 310"),
            (["report", root / "run", "--valid", root / "a.bin", "--packed", root / "none", "-o", root / "no"], "none: there is no such file; make it with"),
            ([*plain, *data, "--valid", root / "same-size.bin", "-o", root / "no"], "same-size.bin: was made by another tokenizer than .*a.bin"),
            ([*plain, *data, *sized, "-o", root / "no"], "same-size: is not the tokenizer that .*a.bin was made by"),
            ([*plain, *data, "--sample-every", 5, "-o", root / "no"], r"want the tokenizer too \(--tokenizer\)"),
            ([*plain, "--data", root / "same-size.bin", "-o", root / "run", "--steps", 20], "is of a text by another tokenizer: take another folder"),
            ([*plain, "--data", f"{larger}.bin", "--teacher", root / "twin", "-o", root / "no"], "the teacher has a vocabulary of 300, the student one of 310"),
            ([*plain, *data, "--teacher", root / "run", "-o", root / "no"], "the teacher is ternary itself"),
            ([*plain, *data, "--start", root / "twin", "--width", 64, "-o", root / "no"], r"embed_tokens.weight is \(300, 32\), here \(300, 64\)"),
            ([*plain, *data, "-o", self.root / "text.txt"], "text.txt: is a file; name a folder"),
        ):
            status, _, err = call(*words)
            self.assertEqual(status, 1, (words, err))
            self.assertRegex(err, rf"^tercet_train: error: [^\n]*{told}[^\n]*\n$")
        self.assertFalse((root / "no").exists(), "something was written all the same")
