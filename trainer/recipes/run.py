"""run.py: trains every model of jobs.py in turn and writes the figures: python3 -m recipes.run --train TEXT... --valid TEXT -o OUT.

Everything goes on after a stop or a kill when the same command is given again: token files, trainings, tables. What is asked for is
written to plan.json first, and another plan for the same folder is refused.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tercet_train.machine import cpu_flags, prepare_cpu  # noqa: E402

if __name__ == "__main__":
    prepare_cpu()

import torch  # noqa: E402
from experiments.compare import QUESTIONS, Bench, write_answer  # noqa: E402
from recipes.figures import write_figures  # noqa: E402
from recipes.jobs import Job, bench_settings, make_jobs  # noqa: E402
from tercet_train.data import TokenFile, open_tokens, write_tokens  # noqa: E402
from tercet_train.export import PACKABLE, export_model  # noqa: E402
from tercet_train.folder import open_folder  # noqa: E402
from tercet_train.model import ModelShape  # noqa: E402
from tercet_train.runs import Run, open_run  # noqa: E402
from tercet_train.tokenizer import open_text, open_tokenizer  # noqa: E402
from tercet_train.train import Trainer, TrainSettings  # noqa: E402

PROJECT = Path(__file__).resolve().parents[2]
# What the bundled model begins from. It stays in the repository, so that the bundled model can be made again.
START = PROJECT / "models" / "gutenberg-kids-6m-b158"
TRIED_STEPS = 3


class Recipe:
    """One folder: token files, a folder of each run under runs/, tables under tables/, packed models under packed/."""

    def __init__(self, words, jobs: "list[Job]"):
        self.words, self.jobs, self.out = words, {job.name: job for job in jobs}, words.output
        self.tokenizer = open_tokenizer(words.start)
        self.precision = fastest_precision() if words.precision == "auto" else words.precision
        self.start = open_folder(words.start)
        self._keep_plan()
        self.train = self._tokens("train.bin", words.train)
        self.valid = self._tokens("valid.bin", [words.valid])
        if words.valid_tokens:
            self.valid = self.valid.first(words.valid_tokens)

    def _keep_plan(self) -> None:
        words = self.words
        plan = {"scale": words.scale, "smoke": words.smoke, "precision": self.precision, "train": [path.name for path in words.train], "valid": words.valid.name}
        path = self.out / "plan.json"
        if path.exists():
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept != plan:
                raise ValueError(f"{path}: was begun with {kept}, now it is {plan}: take another folder, or give the same again")
        self.out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")

    def _tokens(self, name: str, texts: "list[Path]") -> TokenFile:
        path = self.out / name
        if not path.exists():
            say(f"{name}: tokenizing {', '.join(text.name for text in texts)}")

            def chunks():
                for text in texts:
                    with open_text(text) as file:
                        yield from self.tokenizer.documents(file.read())

            write_tokens(path, chunks(), self.tokenizer.vocabulary, self.tokenizer.fingerprint)
        return open_tokens(path)

    def trainer(self, job: Job, folder: "Path | None" = None) -> Trainer:
        start = None
        if job.start == "packed":
            shape, start = self.start
        else:
            shape = ModelShape(vocabulary=self.tokenizer.vocabulary, **job.shape)
            if job.start is not None:
                start = open_run(self.folder(job.start)).model.state_dict()
        every = max(1, min(50, job.settings["steps"] // 4))
        settings = TrainSettings(precision=self.precision, checkpoint_every=every, evaluate_every=4 * every, sample_every=4 * every, **job.settings)
        train = self.train if job.tokens is None else self.train.first(job.tokens)
        return Trainer(shape, settings, train, self.valid, folder or self.folder(job.name), start=start, tokenizer=self.tokenizer, quiet=self.words.quiet)

    def folder(self, name: str) -> Path:
        return self.out / "runs" / name

    def run(self, job: Job) -> Run:
        trainer = self.trainer(job)
        if not trainer.resume() or trainer.step < trainer.settings.steps:
            say(f"{job.name}: {job.why}; from step {trainer.step} of {trainer.settings.steps}")
            trainer.run()
        return open_run(self.folder(job.name))

    def bench(self) -> Bench:
        shape, settings = bench_settings(self.words.scale, self.words.smoke)
        shape = ModelShape(vocabulary=self.tokenizer.vocabulary, **shape)
        # Tables ask for differences between like models: a part of the held-out text shows them.
        files = self.train, self.valid.first(100_000)
        return Bench(self.out / "tables", files, shape, TrainSettings(precision=self.precision, **settings), quiet=self.words.quiet)

    def pack(self, job: Job, run: Run) -> "Path | None":
        """The .tercet file; None where there is no built tercet to pack with."""
        form = "packed" if run.shape.family in PACKABLE and run.shape.scale == "tensor" else "grid"
        folder, path = self.out / "packed" / job.name, self.out / "packed" / f"{job.name}.tercet"
        export_model(run.model, folder, form=form, tokenizer=self.tokenizer)
        if self.words.program is None or not self.words.program.exists():
            say(f"{job.name}: not packed, there is no {self.words.program}: build it, then give this command again")
            return None
        done = subprocess.run([str(self.words.program), "pack", str(folder), "-o", str(path), "--quiet"], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{job.name}: tercet pack failed: {done.stderr.strip()}")
        return path


def fastest_precision() -> str:
    """bfloat16 products where the hardware has them, else float32."""
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if cpu_flags() & {"avx512_bf16", "amx_bf16"} else "float32"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def estimate(recipe: Recipe, jobs: "list[Job]") -> str:
    """Markdown: what each training will take, from a few steps of each, done here and thrown away. The last column is what it would take if nobody
    else used the machine: its processor time, spread over PyTorch's threads."""
    lines = ["| job | parameters | tokens | s a step | tokens/s | minutes | alone |", "|---|---|---|---|---|---|---|"]
    whole = [0.0, 0.0]

    def add(name: str, trainer: Trainer, steps: float) -> None:
        seconds, alone = _step_seconds(trainer)
        parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
        a_step = trainer.settings.batch * trainer.shape.context
        minutes = [each * steps / 60 for each in (seconds, alone)]
        whole[:] = [a + b for a, b in zip(whole, minutes)]
        lines.append(f"| {name} | {parameters:,} | {round(steps) * a_step:,} | {seconds:.3f} | {a_step / seconds:,.0f} | {minutes[0]:.1f} | {minutes[1]:.1f} |")

    with tempfile.TemporaryDirectory() as folder:
        for job in jobs:
            trainer = recipe.trainer(job, Path(folder) / job.name)
            add(job.name, trainer, trainer.settings.steps)
        if recipe.words.only is None or "tables" in recipe.words.only:
            bench = recipe.bench()
            trainer = Trainer(bench.shape, bench.settings, bench.train, None, Path(folder) / "tables", quiet=True)
            # A seed: float, from nothing four times, with a ramp, two that are tuned for half as long, distilled (twice the work forward), four with other rates.
            add(f"tables, {len(recipe.words.seeds)} seeds", trainer, 11.3 * len(recipe.words.seeds) * bench.settings.steps)
    lines.append(f"| all | | | | | {whole[0]:.0f} | {whole[1]:.0f} |")
    return "\n".join(lines) + "\n"


def _step_seconds(trainer: Trainer) -> "tuple[float, float]":
    """By the clock, and of the processor for each thread."""
    taken, worked = [], []
    for _ in range(1 + TRIED_STEPS):
        begun, work = time.monotonic(), time.process_time()
        trainer.one_step()
        trainer.step += 1
        taken.append(time.monotonic() - begun)
        worked.append((time.process_time() - work) / torch.get_num_threads())
    # The first one takes its memory and starts the threads.
    return statistics.median(taken[1:]), statistics.median(worked[1:])


def main(arguments=None) -> int:
    words = _parser().parse_args(arguments)
    jobs = make_jobs(words.scale, words.smoke)
    names = [job.name for job in jobs]
    unknown = set(words.only or []) - {*names, "tables"}
    if unknown:
        say(f"recipes: there is no {', '.join(sorted(unknown))}: it is one of {', '.join(names)}, tables")
        return 1
    chosen = [job for job in jobs if words.only is None or job.name in words.only]
    try:
        recipe = Recipe(words, jobs)
        if words.estimate:
            print(estimate(recipe, chosen), end="")
            return 0
        for job in chosen:
            run = recipe.run(job)
            if job.packs:
                recipe.pack(job, run)
            # After each, so that a plan that is cut short has its figures.
            write_figures(recipe, reports=False)
        if words.only is None or "tables" in words.only:
            bench = recipe.bench()
            for name in QUESTIONS:
                say(f"table {name}")
                write_answer(bench, name, words.seeds)
        print(write_figures(recipe).read_text(encoding="utf-8"), end="")
    except (ValueError, OSError, RuntimeError) as error:
        say(f"recipes: error: {error}")
        return 1
    except KeyboardInterrupt:
        say("\nrecipes: stopped; the same command goes on")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python3 -m recipes.run", description=__doc__.split("\n")[0])
    parser.add_argument("--train", required=True, type=Path, nargs="+", help="UTF-8 texts to train on, also .xz")
    parser.add_argument("--valid", required=True, type=Path, help="held-out text")
    parser.add_argument("-o", "--output", required=True, type=Path)
    parser.add_argument("--start", type=Path, default=START, help="packed folder whose tokenizer is used and from which the job bundled goes on (default: models/gutenberg-kids-6m-b158)")
    parser.add_argument("--scale", type=float, default=1.0, help="of every budget; 1 is meant for two hours (default 1)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="jobs of jobs.py, or tables")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="of the tables (default 1 2)")
    parser.add_argument("--valid-tokens", type=int, help="of the held-out text (default: all)")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="auto: bfloat16 where the hardware has such products")
    parser.add_argument("--program", type=Path, default=PROJECT / "build" / "native" / "tercet", help="tercet, to pack with")
    parser.add_argument("--about", type=Path, metavar="FILE", help="Markdown on where the texts come from and their licence, for the model cards (known of the project's own texts)")
    parser.add_argument("--estimate", action="store_true", help="time a few steps of each and say what all would take; trains nothing")
    parser.add_argument("--smoke", action="store_true", help="the same with models and budgets of seconds: does all of it work here?")
    parser.add_argument("--quiet", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
