"""The report's figures against their definitions."""

import importlib.util
import math
import tempfile
import unittest
from pathlib import Path

import torch

from . import small
from tercet_train.model import build_model
from tercet_train.report import measure, rounded_after_training, sizes, write_report
from tercet_train.runs import open_run
from tercet_train.ternary_layer import bit_linears
from tercet_train.train import Trainer


class Reports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.root = Path(cls.kept.name)
        cls.train, cls.valid = small.token_file(cls.root, "train.bin"), small.token_file(cls.root, "valid.bin", 400, 1)
        for name, ternary in (("ternary", True), ("float", False)):
            Trainer(small.shape(ternary=ternary), small.settings(steps=60), cls.train, cls.valid, cls.root / name, quiet=True).run()

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def test_bits_per_byte_of_a_model_that_knows_nothing(self):
        model = build_model(small.shape())
        with torch.no_grad():
            model.norm.weight.zero_()
        figures = measure(model, self.valid, 16)
        self.assertAlmostEqual(figures["nats"], math.log(small.VOCABULARY), places=5)
        self.assertAlmostEqual(figures["perplexity"], small.VOCABULARY, places=3)
        # Six bits a token of three bytes.
        self.assertAlmostEqual(figures["bits_per_byte"], 2.0, places=5)

    def test_rounding_a_trained_float_model_costs(self):
        run = open_run(self.root / "float")
        rounded = rounded_after_training(run)
        self.assertEqual(len(bit_linears(rounded)), 14)
        self.assertGreater(measure(rounded, self.valid, 16)["nats"], measure(run.model, self.valid, 16)["nats"])
        with self.assertRaisesRegex(ValueError, "ternary already"):
            rounded_after_training(open_run(self.root / "ternary"))

    def test_sizes_count_what_is_stored(self):
        shape = small.shape(width=128, inner=128, layers=1)
        block = 4 * 128 * 128 + 3 * 128 * 128
        for scale, scales in (("tensor", 7 * 4), ("row", 7 * 128 * 4), ("group", 7 * 128 * 2)):
            shape.scale = scale
            size = sizes(build_model(shape))
            self.assertEqual(size["ternary"], block)
            rest = 2 * (size["parameters"] - block) + scales
            self.assertAlmostEqual(size["stored"], (block / 4 + rest) / 1e6, places=9)
            self.assertAlmostEqual(size["claimed"], (block * math.log2(3) / 8 + rest) / 1e6, places=9)

    def test_the_whole_report(self):
        out = self.root / "report"
        packed = self.root / "x.tercet"
        packed.write_bytes(bytes(123_000))
        run, twin = open_run(self.root / "ternary"), open_run(self.root / "float")
        text = write_report(out, run, self.valid, train=self.train, twin=twin, packed=packed).read_text()
        figures = measure(run.model, self.valid, 16)
        self.assertIn(f"| ternary, scale by tensor (ternary) | 3,840 | {figures['nats']:.4f} | {figures['perplexity']:.2f} | {figures['bits_per_byte']:.4f} |", text)
        for part in ("float twin (float)", "rounded after training (PTQ)", "Ternary costs", "times that of the training text", "| x.tercet, the whole file with tokenizer and hashes | 0.123 |"):
            self.assertIn(part, text)
        self.assertNotIn("do not compare", text)
        self.assertIn(f"| layers.1.mlp.down_proj |", text)
        if importlib.util.find_spec("matplotlib"):
            self.assertEqual((out / "loss.png").read_bytes()[1:4], b"PNG")
            self.assertEqual((out / "zeros.png").read_bytes()[1:4], b"PNG")
        else:
            self.assertIn("matplotlib is not installed", text)

    def test_a_twin_that_saw_less_is_said(self):
        Trainer(small.shape(ternary=False), small.settings(steps=2), self.train, None, self.root / "short", quiet=True).run()
        run = open_run(self.root / "ternary")
        text = write_report(self.root / "r2", run, self.valid, twin=open_run(self.root / "short")).read_text()
        self.assertIn("the two do not compare", text)
        with self.assertRaisesRegex(ValueError, "trained with --float"):
            write_report(self.root / "r3", run, self.valid, twin=run)
