"""The whole recipe with models of seconds: every job runs, packs and has its figures, and a second time nothing is trained again."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import torch

from . import small
from recipes.jobs import TERNARYLM, bench_settings, make_jobs, parameters_of_ternarylm
from recipes.run import main
from tercet_train.export import export_model
from tercet_train.model import ModelShape, build_model
from tercet_train.tokenizer import open_tokenizer, train_tokenizer
from tercet_train.train import Trainer

try:
    import sentencepiece  # noqa: F401
except ImportError:
    sentencepiece = None


class Jobs(unittest.TestCase):
    def test_budgets_are_what_they_say(self):
        jobs = {job.name: job for job in make_jobs()}

        def parameters(name):
            with torch.no_grad():
                return sum(p.numel() for p in build_model(ModelShape(vocabulary=4096, **jobs[name].shape)).parameters())

        theirs = parameters("ternarylm")
        self.assertEqual(theirs, parameters_of_ternarylm(4096, 192, 4))
        self.assertEqual(parameters_of_ternarylm(30522, 768, 12), TERNARYLM["parameters"])
        self.assertLessEqual(parameters("ternarylm-ours"), theirs)
        self.assertGreater(parameters("ternarylm-ours"), 0.98 * theirs)
        for name, job in jobs.items():
            if job.twin is not None:
                ours, twin = ({**one.settings, "learning_rate": 0} for one in (job, jobs[job.twin]))
                self.assertEqual((ours, job.tokens), (twin, jobs[job.twin].tokens), f"{name} and its twin do not compare")
                self.assertFalse(jobs[job.twin].shape["ternary"])
        seen = jobs["ternarylm"].settings["steps"] * 32 * 256
        self.assertAlmostEqual(seen / theirs, TERNARYLM["tokens"] * TERNARYLM["passes"] / TERNARYLM["parameters"], delta=0.02)
        self.assertAlmostEqual(seen / jobs["ternarylm"].tokens, TERNARYLM["passes"], delta=0.1)
        self.assertEqual(make_jobs(0.5)[0].settings["steps"], jobs["bundled"].settings["steps"] // 2)
        self.assertEqual(bench_settings(0.5)[1]["steps"], bench_settings()[1]["steps"] // 2)


@unittest.skipUnless(sentencepiece, "sentencepiece is not installed: the recipe is not tried")
class Recipes(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.root = Path(kept.name)
        text = "One morning Tom went to the store. He bought three apples and gave one to Ann.\n" * 120
        (self.root / "a.txt").write_text(text)
        (self.root / "b.txt").write_text(text[:4000])
        train_tokenizer([self.root / "a.txt"], self.root / "tok", 300, "sentencepiece")
        model = build_model(small.shape(vocabulary=300))
        export_model(model, self.root / "start", tokenizer=open_tokenizer(self.root / "tok"))
        texts = ["--train", self.root / "a.txt", "--valid", self.root / "b.txt"]
        self.words = [*texts, "-o", self.root / "out", "--start", self.root / "start", "--smoke"]

    def call(self, *words):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([str(word) for word in words])
        return status, out.getvalue(), err.getvalue()

    def test_all_of_it(self):
        root = self.root
        words = [*self.words, "--quiet", "--seeds", 1, "--precision", "float32", "--program", small.PROGRAM or root / "none"]
        status, out, err = self.call(*words, "--only", "cpu-float")
        self.assertEqual(status, 0, err)
        self.assertIn("| cpu-float |", out)
        status, out, err = self.call(*words)
        self.assertEqual(status, 0, err)
        names = [job.name for job in make_jobs()]
        trained = [line.split(":")[0] for line in err.splitlines() if "; from step 0 of" in line]
        self.assertEqual(trained, [one for one in names if one != "cpu-float"])
        results = json.loads((root / "out" / "results.json").read_text())
        self.assertEqual(list(results["models"]), names)
        self.assertEqual(list(results["tables"]), ["ptq", "distill", "ramp", "scale", "rate"])
        self.assertEqual(out, (root / "out" / "results.md").read_text())
        for part in ("- cpu-ternary: ", "TernaryLM's blocks at the same tokens", "| one scale a group |", "| ternary from nothing |", "| start | what bundled began with |"):
            self.assertIn(part, out)
        for part in ("not at equal tokens", "ot trained yet"):
            self.assertNotIn(part, out)
        card = (root / "out" / "packed" / "bundled" / "README.md").read_text()
        self.assertIn("begun from the ternary weights of start", card)
        self.assertIn("> Once upon a time", card)
        self.assertIn("give `--about FILE`", card)
        for packed in ("cpu-ternary", "gpt2-ternary", "ternarylm", "bundled"):
            self.assertEqual((root / "out" / "packed" / f"{packed}.tercet").exists(), bool(small.PROGRAM), packed)
            self.assertIn("times that of the training text", (root / "out" / "reports" / packed / "report.md").read_text())
        # Figures of a folder that was measured when less was: what is there is kept, what is missing comes to it.
        kept = root / "out" / "runs" / "cpu-float" / "figures.json"
        measured = json.loads(kept.read_text())
        kept.write_text(json.dumps({**{name: value for name, value in measured.items() if name != "training_nats"}, "nats": 1.25}))
        (root / "about.md").write_text("Of this test, free to all.")
        with mock.patch.object(Trainer, "one_step", side_effect=AssertionError("trained again")):
            status, again, err = self.call(*words, "--about", root / "about.md")
        self.assertEqual(status, 0, err)
        self.assertEqual(json.loads(kept.read_text()), {**measured, "nats": 1.25})
        self.assertIn("Of this test, free to all.", (root / "out" / "packed" / "bundled" / "README.md").read_text())
        kept.write_text(json.dumps(measured))
        with mock.patch.object(Trainer, "one_step", side_effect=AssertionError("trained again")):
            status, again, err = self.call(*words)
        self.assertEqual((status, again), (0, out), err)
        status, _, err = self.call(*words, "--scale", 2)
        self.assertEqual(status, 1)
        self.assertIn("take another folder", err)

    def test_estimate_and_unknown_names(self):
        status, out, err = self.call(*self.words, "--only", "gpt2-float", "tables", "--estimate")
        self.assertEqual(status, 0, err)
        self.assertRegex(out, r"\| gpt2-float \| [\d,]+ \| 128 \| [\d.]+ \| [\d,]+ \| [\d.]+ \| [\d.]+ \|")
        self.assertRegex(out, r"\| tables, 2 seeds \|")
        self.assertFalse((self.root / "out" / "runs").exists())
        status, _, err = self.call(*self.words, "--only", "nothing")
        self.assertEqual(status, 1)
        self.assertIn("there is no nothing: it is one of bundled, cpu-ternary", err)
