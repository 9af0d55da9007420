"""compare.py: five questions about training, each answered by a table of bits per byte on held-out text: python3 -m experiments.compare NAME.

ptq: rounding after training beside training ternary. distill: with and without a float teacher. ramp: with and without the way from float
to ternary, in fine-tuning. scale: what shares a scale. rate: whether float and ternary each have the learning rate that suits them, without which no two of them compare. Every training is a run folder of its own, used again by the others and gone on with after a stop.
"""

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tercet_train.machine import prepare_cpu  # noqa: E402

if __name__ == "__main__":
    prepare_cpu()

from tercet_train.data import TokenFile, open_tokens, write_tokens  # noqa: E402
from tercet_train.model import ModelShape  # noqa: E402
from tercet_train.report import measure, rounded_after_training  # noqa: E402
from tercet_train.runs import open_run  # noqa: E402
from tercet_train.tokenizer import open_text, open_tokenizer, train_tokenizer  # noqa: E402
from tercet_train.train import Trainer, TrainSettings  # noqa: E402


class Bench:
    """One corpus, one shape, one budget; runs by name and seed. text: a file whose last tenth is held out, or token files to train on and to
    hold out."""

    def __init__(self, folder: Path, text: "Path | tuple[TokenFile, TokenFile]", shape: ModelShape, settings: TrainSettings, quiet: bool = False):
        self.folder, self.settings, self.quiet = folder, settings, quiet
        if isinstance(text, Path):
            if not (folder / "valid.bin.json").exists():
                self._prepare(text, shape.vocabulary)
            text = open_tokens(folder / "train.bin"), open_tokens(folder / "valid.bin")
        self.train, self.valid = text
        self.shape = replace(shape, vocabulary=self.train.vocabulary)

    def _prepare(self, text: Path, vocabulary: int) -> None:
        with open_text(text) as file:
            whole = file.read()
        cut = whole.index("\n", len(whole) * 9 // 10) + 1
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "train.txt").write_text(whole[:cut], encoding="utf-8")
        train_tokenizer([self.folder / "train.txt"], self.folder / "tok", vocabulary)
        tokenizer = open_tokenizer(self.folder / "tok")
        write_tokens(self.folder / "train.bin", tokenizer.documents(whole[:cut]), tokenizer.vocabulary, tokenizer.fingerprint)
        write_tokens(self.folder / "valid.bin", tokenizer.documents(whole[cut:]), tokenizer.vocabulary, tokenizer.fingerprint)

    def run(self, name: str, seed: int, *, start=None, teacher=None, share: float = 1.0, shape: "dict | None" = None, **changes):
        """share: of the budget's steps. Returns the finished run."""
        folder = self.folder / f"{name}-seed{seed}"
        steps = max(1, round(self.settings.steps * share))
        settings = replace(self.settings, seed=seed, **{"steps": steps, **changes})
        trainer = Trainer(
            replace(self.shape, **(shape or {})),
            settings,
            self.train,
            self.valid,
            folder,
            start=None if start is None else start.model.state_dict(),
            teacher=None if teacher is None else teacher.model,
            quiet=self.quiet,
        )
        if not trainer.resume() or trainer.step < steps:
            print(f"{folder.name}: from step {trainer.step} of {steps}", file=sys.stderr)
            trainer.run()
        return open_run(folder)

    def bits(self, model) -> float:
        return measure(model, self.valid, self.shape.context)["bits_per_byte"]

    def twin(self, seed: int):
        return self.run("float", seed, shape={"ternary": False}, learning_rate=self.settings.learning_rate / 2)

    def tuned(self, seed: int, ramp: int):
        """The twin made ternary and trained on for half of the budget, more gently."""
        twin = self.twin(seed)
        return self.run(f"tuned-ramp{ramp}", seed, start=twin, share=0.5, learning_rate=self.settings.learning_rate / 4, ramp=ramp)


def compare_ptq(bench: Bench, seed: int) -> "dict[str, float]":
    twin = bench.twin(seed)
    return {
        "float twin": bench.bits(twin.model),
        "float twin, rounded after training (PTQ)": bench.bits(rounded_after_training(twin)),
        "float twin, rounded, scale by row (PTQ)": bench.bits(rounded_after_training(twin, "row")),
        "float twin, then trained ternary for half as long (QAT)": bench.bits(bench.tuned(seed, 0).model),
        "ternary from nothing": bench.bits(bench.run("ternary", seed).model),
    }


def compare_distill(bench: Bench, seed: int) -> "dict[str, float]":
    return {
        "alone": bench.bits(bench.run("ternary", seed).model),
        "with the float twin as teacher": bench.bits(bench.run("distilled", seed, teacher=bench.twin(seed)).model),
    }


def compare_ramp(bench: Bench, seed: int) -> "dict[str, float]":
    ramp = max(1, bench.settings.steps // 8)
    return {
        "fine-tuned, ternary from the first step": bench.bits(bench.tuned(seed, 0).model),
        f"fine-tuned, over {ramp} steps from float to ternary": bench.bits(bench.tuned(seed, ramp).model),
        "from nothing, ternary from the first step": bench.bits(bench.run("ternary", seed).model),
        f"from nothing, over {2 * ramp} steps": bench.bits(bench.run("ternary-ramp", seed, ramp=2 * ramp).model),
    }


def compare_scale(bench: Bench, seed: int) -> "dict[str, float]":
    runs = {"tensor": bench.run("ternary", seed)}
    runs.update((scale, bench.run(f"ternary-{scale}", seed, shape={"scale": scale})) for scale in ("row", "group"))
    return {f"one scale a {scale}": bench.bits(run.model) for scale, run in runs.items()}


def compare_rate(bench: Bench, seed: int) -> "dict[str, float]":
    """The rates are those of the ternary model of this bench times so much."""
    rate, twin, ternary = bench.settings.learning_rate, bench.twin(seed), bench.run("ternary", seed)
    return {
        "float, half of the rate (as everywhere here)": bench.bits(twin.model),
        "float, the rate": bench.bits(bench.run("float-rate1", seed, shape={"ternary": False}, learning_rate=rate).model),
        "float, twice the rate": bench.bits(bench.run("float-rate2", seed, shape={"ternary": False}, learning_rate=2 * rate).model),
        "ternary, half of the rate": bench.bits(bench.run("ternary-rate0.5", seed, learning_rate=rate / 2).model),
        "ternary, the rate (as everywhere here)": bench.bits(ternary.model),
        "ternary, twice the rate": bench.bits(bench.run("ternary-rate2", seed, learning_rate=2 * rate).model),
    }


QUESTIONS = {"ptq": compare_ptq, "distill": compare_distill, "ramp": compare_ramp, "scale": compare_scale, "rate": compare_rate}


def answer(bench: Bench, name: str, seeds: "list[int]") -> dict:
    """Bits per byte of each kind by seed, and what they are figures of."""
    columns = [QUESTIONS[name](bench, seed) for seed in seeds]
    shape = bench.shape
    assert all(math.isfinite(value) for column in columns for value in column.values()), name
    return {
        "question": name,
        "width": shape.width,
        "layers": shape.layers,
        "vocabulary": shape.vocabulary,
        "tokens": bench.settings.steps * bench.settings.batch * shape.context,
        "different_tokens": len(bench.train.tokens),
        "held_out_bytes": bench.valid.text_bytes,
        "seeds": seeds,
        "bits_per_byte": {kind: [column[kind] for column in columns] for kind in columns[0]},
    }


def as_table(facts: dict) -> str:
    """Markdown: bits per byte of each kind by seed, mean, and what the mean is over the first row's."""
    lines = [
        f"{facts['question']}: width {facts['width']}, {facts['layers']} layers, vocabulary {facts['vocabulary']}, {facts['tokens']:,} tokens trained on "
        f"({facts['different_tokens']:,} different ones); bits per byte on {facts['held_out_bytes']:,} held-out bytes",
        "",
        "| | " + " | ".join(f"seed {seed}" for seed in facts["seeds"]) + " | mean | beside the first row |",
        "|---" * (len(facts["seeds"]) + 3) + "|",
    ]
    first = mean(next(iter(facts["bits_per_byte"].values())))
    for kind, values in facts["bits_per_byte"].items():
        lines.append(f"| {kind} | " + " | ".join(f"{value:.4f}" for value in values) + f" | {mean(values):.4f} | {100 * (mean(values) / first - 1):+.2f} % |")
    return "\n".join(lines) + "\n"


def write_answer(bench: Bench, name: str, seeds: "list[int]") -> str:
    """Answers into NAME.json and NAME.md of the bench's folder; the table."""
    facts = answer(bench, name, seeds)
    (bench.folder / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (bench.folder / f"{name}.md").write_text(as_table(facts), encoding="utf-8")
    return as_table(facts)


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser("python3 -m experiments.compare", description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=[*QUESTIONS, "all"])
    parser.add_argument("--text", required=True, type=Path, help="UTF-8 text, also .xz: the last tenth is held out")
    parser.add_argument("-o", "--output", required=True, type=Path, help="folder of the runs; tables go to NAME.md and NAME.json in it")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="(default 1 2)")
    parser.add_argument("--steps", type=int, default=800, help="(default 800)")
    parser.add_argument("--width", type=int, default=128, help="(default 128)")
    words = parser.parse_args(arguments)
    shape = ModelShape(vocabulary=1024, width=words.width, layers=3, heads=2, kv_heads=2, inner=2 * words.width, context=128)
    settings = TrainSettings(steps=words.steps, batch=16, warmup=min(50, words.steps // 4 + 1), learning_rate=6e-3, checkpoint_every=100, evaluate_every=200)
    bench = Bench(words.output, words.text, shape, settings)
    for name in QUESTIONS if words.name == "all" else [words.name]:
        print(write_answer(bench, name, words.seeds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
