"""A published ternary model comes back as the same model, and learns on."""

import json
import tempfile
import unittest
from pathlib import Path

import torch

from . import small
from tercet_train.export import export_model, pack_rows
from tercet_train.folder import latent, open_folder, unpack_rows
from tercet_train.model import build_model
from tercet_train.ternary_layer import quantize_weights
from tercet_train.train import Trainer

BUNDLED = sorted(Path(__file__).resolve().parents[2].glob("models/*/model.safetensors"))


class Folders(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.root = Path(kept.name)

    def test_latents_round_to_what_was_packed(self):
        torch.manual_seed(3)
        signs = torch.randint(-1, 2, (32, 48)).float()
        self.assertTrue(torch.equal(unpack_rows(pack_rows(signs)), signs))
        again, scale = quantize_weights(latent(signs, torch.tensor([0.037])))
        self.assertTrue(torch.equal(again, signs))
        self.assertAlmostEqual(float(scale), 0.037, places=7)
        self.assertEqual(float(latent(torch.zeros(4, 4), torch.tensor([1.0])).abs().max()), 0.0)
        with self.assertRaisesRegex(ValueError, "the code 3"):
            unpack_rows(torch.full((1, 4), 255, dtype=torch.uint8))

    def test_an_exported_model_begins_where_it_ended_and_learns_on(self):
        train, valid = small.token_file(self.root), small.token_file(self.root, "valid.bin", 600, 1)
        for family in ("bitnet", "llama"):
            first = Trainer(small.shape(family=family), small.settings(steps=30), train, None, self.root / family, quiet=True)
            first.run()
            export_model(first.model, self.root / f"hf-{family}", embedding=torch.float32)
            shape, state = open_folder(self.root / f"hf-{family}")
            self.assertEqual(shape, small.shape(family=family))
            again = build_model(shape)
            again.load_state_dict(state)
            tokens = valid.tokens[:16].astype("int64")[None]
            with torch.no_grad():
                ours, theirs = (model.eval()(torch.from_numpy(tokens)) for model in (again, first.model))
            self.assertLess(float((ours - theirs).abs().max()), 1e-4)
            settings = small.settings(steps=30, learning_rate=3e-3)
            losses = [loss for _, loss in Trainer(shape, settings, train, None, self.root / f"on-{family}", start=state, quiet=True).run().losses]
            self.assertLess(sum(losses[-5:]), sum(losses[:5]))

    def test_what_it_cannot_read_it_names(self):
        with self.assertRaisesRegex(ValueError, "no folder of a model to go on from"):
            open_folder(self.root)
        export_model(build_model(small.shape()), self.root / "grid", form="grid")
        with self.assertRaisesRegex(ValueError, "only packed weights .* not plain ones"):
            open_folder(self.root / "grid")
        config = self.root / "grid" / "config.json"
        config.write_text(json.dumps({**json.loads(config.read_text()), "architectures": ["Other"]}))
        with self.assertRaisesRegex(ValueError, "Other"):
            open_folder(self.root / "grid")

    @unittest.skipUnless(BUNDLED, "models/ holds no packed folder")
    def test_the_bundled_model_is_read(self):
        shape, state = open_folder(BUNDLED[0].parent)
        model = build_model(shape).eval()
        model.load_state_dict(state)
        for case in json.loads((BUNDLED[0].parent / "golden.json").read_text())["cases"]:
            with torch.no_grad():
                logits = model(torch.tensor([case["ids"]]))[0]
            for token, logit in case["top8_last"]:
                # float32 beside the file's float64: an activation or two may round to the other neighbour (as in test_export.py).
                self.assertAlmostEqual(float(logits[-1, token]), logit, delta=0.15)
