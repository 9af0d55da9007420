"""The reference in numpy: gives again what stands beside the models of models/, and notices another weight."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

import numpy

from . import small  # noqa: F401 - finds the package
from recipes.golden import PROMPTS, Reference, main, make_case
from recipes.run import START
from tercet_train.tokenizer import open_tokenizer


MODELS = sorted(path.parent for path in START.parent.glob("*/golden.json"))


class Golden(unittest.TestCase):
    def setUp(self):
        self.kept = json.loads((START / "golden.json").read_text(encoding="utf-8"))

    def test_prompts_become_what_stands_beside_each_model(self):
        self.assertIn(START, MODELS)
        try:
            tokenizer = open_tokenizer(START)
        except ModuleNotFoundError as error:
            self.skipTest(f"python3-sentencepiece is not installed ({error})")
        for folder in MODELS:
            reference, golden = Reference(folder), json.loads((folder / "golden.json").read_text(encoding="utf-8"))
            for prompt, kept in zip(PROMPTS, golden["cases"]):
                made = make_case(reference, tokenizer, prompt, greedy_tokens=2)
                for name in ("prompt", "ids", "argmax_per_position", "top8_last", "logit_sum_last"):
                    self.assertEqual(made[name], kept[name], f"{folder.name}: {prompt}")
                self.assertEqual(made["greedy"], kept["greedy"][:2])

    def test_nats_are_those_of_its_logits_and_another_weight_changes_them(self):
        reference = Reference(START)
        ids = numpy.array(self.kept["valid_token_ids_first_257"][:24])
        logits = reference.logits(ids[:-1])
        shares = numpy.exp(logits) / numpy.exp(logits).sum(-1, keepdims=True)
        nats = reference.nats(ids)
        self.assertAlmostEqual(nats, -float(numpy.log(shares[numpy.arange(23), ids[1:]]).sum()), places=9)
        reference.signs["model.layers.3.self_attn.v_proj.weight"][5] *= -1
        self.assertNotEqual(reference.nats(ids), nats)

    def test_a_folder_that_is_none_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            valid, output = Path(folder) / "valid.bin", Path(folder) / "golden.json"
            self.assertEqual(main([folder, "--valid", str(valid), "-o", str(output)]), 1)
            shutil.copytree(START, Path(folder) / "model")
            self.assertEqual(main([f"{folder}/model", "--valid", str(valid), "-o", str(output)]), 1)
            self.assertFalse(output.exists())


if __name__ == "__main__":
    unittest.main()
