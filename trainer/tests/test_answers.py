"""Answers and cards of figures that are made up here: what they say follows from the figures, and what is not there is said to be missing."""

import unittest

from . import small  # noqa: F401 - finds the package
from recipes.answers import answer_lines, twin_sentence
from recipes.card import NOT_SAID, card
from recipes.jobs import make_jobs

JOBS = {job.name: job for job in make_jobs()}
SETTINGS = dict(steps=700, batch=32, betas=[0.9, 0.95], learning_rate=4e-3, second_rate=None, second_stage=0.5, weight_decay=0.1, clip=1.0, warmup=70, seed=1, precision="bfloat16")


def figures(name, bits, **changes):
    shape = dict(family="bitnet", ternary=True, scale="tensor", width=256, layers=6, heads=4, inner=768, activation="relu2", vocabulary=4096, context=256)
    made = dict(shape={**shape, **JOBS[name].shape}, settings=SETTINGS, bits_per_byte=bits, tokens=1_000_000, different_tokens=250_000, parameters=6_000_000)
    made.update(ternary_parameters=5_000_000, nats=3.5, perplexity=33.1, megabytes_stored=3.4, megabytes_claimed=3.1, ratio_to_training=1.05, minutes=41.0)
    made.update(machine="2 threads of a CPU", done="2026-11-22")
    if not made["shape"]["ternary"]:
        made["rounded_bits_per_byte"] = 3.0
    return {**made, **changes}


def table(**bits):
    return dict(question="distill", width=128, layers=3, vocabulary=4096, tokens=10, different_tokens=10, held_out_bytes=10, seeds=[1, 2], bits_per_byte=bits)


def results(models, tables=None, text="gutenberg-simple"):
    plan = {"train": [f"{text}-train-0.txt.xz"], "valid": f"{text}-valid.txt.xz", "smoke": False, "scale": 1.0, "precision": "bfloat16"}
    return {"plan": plan, "models": models, "tables": tables or {}}


class Answers(unittest.TestCase):
    def test_the_gap_to_the_twin(self):
        models = {"cpu-ternary": figures("cpu-ternary", 1.54), "cpu-float": figures("cpu-float", 1.5)}
        said = twin_sentence("cpu-ternary", models, JOBS)
        self.assertEqual(said, "+2.7 % bits per byte of its float twin cpu-float at equal tokens, within 5 %; that twin rounded without training: +100.0 %")
        models["cpu-ternary"]["bits_per_byte"] = 1.6
        self.assertIn("+6.7 % bits per byte of its float twin cpu-float at equal tokens, over 5 %", twin_sentence("cpu-ternary", models, JOBS))
        models["cpu-ternary"]["tokens"] = 5
        self.assertIn("the two do not compare", twin_sentence("cpu-ternary", models, JOBS))
        # A model of another shape is no twin, whatever it is compared with.
        models = {"ternarylm-ours": figures("ternarylm-ours", 1.5), "ternarylm-float": figures("ternarylm-float", 1.4)}
        self.assertIsNone(twin_sentence("ternarylm-ours", models, JOBS))

    def test_ternarylm_at_its_own_budget(self):
        names = {"ternarylm": 1.6, "ternarylm-float": 1.5, "ternarylm-ours": 1.52}
        text = "\n".join(answer_lines(results({name: figures(name, bits) for name, bits in names.items()}), JOBS))
        self.assertIn("12,900,000 tokens x 15, 1.47 tokens seen a parameter", text)
        self.assertIn("Our recipe beats TernaryLM's blocks at the same tokens: -5.0 % bits per byte", text)
        self.assertIn("Beside the causal float model of TernaryLM's blocks: +1.3 %", text)
        self.assertIn("| ternarylm | 1,000,000 | 1.6000 | 1.5000 | +6.7 % | 3.0000 | +100.0 % |", text)
        text = "\n".join(answer_lines(results({"ternarylm": figures("ternarylm", 1.6), "ternarylm-ours": figures("ternarylm-ours", 1.61)}), JOBS))
        self.assertIn("does not beat", text)
        self.assertIn("Not trained yet: ternarylm-float.", text)

    def test_tables_say_whether_the_seeds_agree(self):
        tables = {"distill": table(alone=[2.0, 2.1], better=[1.9, 2.0], worse=[2.1, 2.2], either=[1.9, 2.2])}
        text = "\n".join(answer_lines(results({}, tables), JOBS))
        self.assertIn("- better, beside alone: -5.00 %, -4.76 %: better with every seed.", text)
        self.assertIn("- worse, beside alone: +5.00 %, +4.76 %: worse with every seed.", text)
        self.assertIn("- either, beside alone: -5.00 %, +4.76 %: the seeds disagree: no difference is shown.", text)
        self.assertIn("| seed 1 | seed 2 |", text)
        # The other three tables.
        self.assertEqual(text.count("\nNot trained yet.\n") + text.endswith("Not trained yet."), 4)
        one = table(alone=[2.0], better=[1.9])
        self.assertIn("one seed alone, which shows little", "\n".join(answer_lines(results({}, {"scale": {**one, "seeds": [1]}}), JOBS)))

    def test_nothing_is_trained_yet(self):
        text = "\n".join(answer_lines(results({}), JOBS))
        for part in ("- cpu-ternary or cpu-float: not trained yet.", "- gpt2-ternary or gpt2-float: not trained yet.", "Not trained yet: ternarylm, ternarylm-float, ternarylm-ours."):
            self.assertIn(part, text)


class Cards(unittest.TestCase):
    def make(self, name="cpu-ternary", text="gutenberg-simple", **options):
        models = {one: figures(one, 1.5) for one in ("cpu-ternary", "cpu-float", "bundled", "gpt2-ternary")}
        facts = {**results(models, text=text), "start": {"name": "an-earlier-one", "bits_per_byte": 1.6}}
        return card(JOBS[name], facts, JOBS, samples=["Once\nupon"], **options)

    def test_it_says_all_that_a_card_says(self):
        text = self.make(packed_bytes=3_456_789)
        for part in ("## What it is", "## Data and licence", "## Recipe and cost", "## Figures", "## Samples", "## Limits"):
            self.assertIn(f"\n{part}\n\n", text)
        for part in ("public domain in the USA", "MIT", "1,000,000 tokens seen (4.00 passes)", "41 minutes by the clock on 2 threads of a CPU, done 2026-11-22", "then half of it to zero from 50 % on"):
            self.assertIn(part, text)
        for part in ("| perplexity | 33.10 |", "| bits per byte | 1.5000 |", "3,456,789", "+0.0 % bits per byte of its float twin", "> Once / upon\n", "last 256 tokens"):
            self.assertIn(part, text)
        self.assertNotIn("What it began with", text)

    def test_what_is_not_known_is_not_made_up(self):
        text = self.make(text="diary")
        self.assertIn(NOT_SAID, text)
        self.assertNotIn("public domain", text)
        text = self.make(text="diary", about="My own letters; not to be passed on.\n")
        self.assertIn("My own letters; not to be passed on.", text)
        self.assertNotIn(NOT_SAID, text)
        # Its twin is not trained yet.
        self.assertNotIn("float twin", self.make("gpt2-ternary"))

    def test_the_bundled_model_says_what_it_began_with(self):
        text = self.make("bundled")
        self.assertIn("begun from the ternary weights of an-earlier-one", text)
        self.assertIn("What it began with had 1.6000 bits per byte: -6.2 %.", text)
