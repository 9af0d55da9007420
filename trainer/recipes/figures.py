"""figures.py: from the runs of a recipe that are done to results.md, results.json, a report of each ternary model and a card of each packed one. Trains nothing."""

import json
import math
import time
from pathlib import Path

from experiments.compare import QUESTIONS
from tercet_train.machine import describe_machine
from tercet_train.model import build_model
from tercet_train.report import measure, rounded_after_training, sizes, write_report
from tercet_train.runs import Run, open_run
from tercet_train.train import sample

from .answers import answer_lines
from .card import card

PROMPTS = ("Once upon a time", "One morning Tom went to the store", '"I don\'t know," said Dorothy')
# Of the training text, beside the held-out text: where the two differ much, a model has learnt its text by heart.
TRAINING_TOKENS = 100_000


def write_figures(recipe, reports: bool = True) -> Path:
    """results.md of recipe.out; reads what run.py has left there so far. reports: a report and a card of each packed model too."""
    runs = {name: open_run(recipe.folder(name)) for name in recipe.jobs if _is_done(recipe, name)}
    results = {"plan": json.loads((recipe.out / "plan.json").read_text(encoding="utf-8"))}
    results["held_out"] = {"tokens": len(recipe.valid.tokens), "bytes": recipe.valid.text_bytes}
    results["models"] = {name: _figures(recipe, name, run) for name, run in runs.items()}
    if any(recipe.jobs[name].start == "packed" for name in runs):
        results["start"] = _start_figures(recipe)
    results["tables"] = {}
    for name in QUESTIONS:
        path = recipe.out / "tables" / f"{name}.json"
        if path.exists():
            results["tables"][name] = json.loads(path.read_text(encoding="utf-8"))
    lines = ["# What the trainings came to", "", *_model_lines(results), "", *answer_lines(results, recipe.jobs)]
    for name, run in runs.items():
        if recipe.jobs[name].packs and reports:
            _write_report_and_card(recipe, name, run, runs, results)
    (recipe.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    path = recipe.out / "results.md"
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return path


def _write_report_and_card(recipe, name: str, run: Run, runs: "dict[str, Run]", results: dict) -> None:
    job, packed = recipe.jobs[name], recipe.out / "packed" / f"{name}.tercet"
    packed = packed if packed.exists() else None
    # results.md has the whole held-out text; a report shows the same models on a part of it, beside their sizes and zeros.
    most = min(TRAINING_TOKENS, len(recipe.valid.tokens))
    write_report(recipe.out / "reports" / name, run, recipe.valid, train=_training_text(recipe, name), twin=runs.get(job.twin), packed=packed, most_tokens=most)
    samples = [sample(run.model, recipe.tokenizer, prompt, 12 if results["plan"]["smoke"] else 120) for prompt in PROMPTS]
    about = recipe.words.about and recipe.words.about.read_text(encoding="utf-8")
    text = card(job, results, recipe.jobs, samples=samples, packed_bytes=packed and packed.stat().st_size, about=about)
    folder = recipe.out / "packed" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(text, encoding="utf-8")


def _is_done(recipe, name: str) -> bool:
    path = recipe.folder(name) / "checkpoint.pt"
    return path.exists() and open_run(recipe.folder(name)).step >= recipe.jobs[name].settings["steps"]


def _training_text(recipe, name: str):
    tokens = recipe.jobs[name].tokens
    return recipe.train if tokens is None else recipe.train.first(tokens)


def _figures(recipe, name: str, run: Run) -> dict:
    job, size = recipe.jobs[name], sizes(run.model)
    return {
        "why": job.why,
        "step": run.step,
        "seed": run.settings["seed"],
        "shape": run.shape.as_dict(),
        "settings": run.settings,
        "parameters": size["parameters"],
        "ternary_parameters": size["ternary"],
        "tokens": run.tokens,
        "different_tokens": job.tokens or len(recipe.train.tokens),
        "minutes": run.seconds / 60,
        "megabytes_stored": size["stored"],
        "megabytes_claimed": size["claimed"],
        **_measured(recipe, name, run),
    }


def _measured(recipe, name: str, run: Run) -> dict:
    """Measured once a run and kept in figures.json: minutes on a long text. What an older figures.json lacks is added to it."""
    path, context = recipe.folder(name) / "figures.json", run.shape.context
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if kept.get("step") != run.step or kept.get("held_out_tokens") != len(recipe.valid.tokens):
        kept = {}
    made = {"step": run.step, "held_out_tokens": len(recipe.valid.tokens)}
    makers = {
        ("nats", "perplexity", "bits_per_byte"): lambda: measure(run.model, recipe.valid, context),
        ("rounded_bits_per_byte",): lambda: {} if run.shape.ternary else {"rounded_bits_per_byte": measure(rounded_after_training(run), recipe.valid, context)["bits_per_byte"]},
        ("training_nats",): lambda: {"training_nats": measure(run.model, _training_text(recipe, name), context, most_tokens=TRAINING_TOKENS)["nats"]},
        ("machine", "done"): lambda: {"machine": describe_machine(), "done": time.strftime("%Y-%m-%d", time.gmtime((recipe.folder(name) / "checkpoint.pt").stat().st_mtime))},
    }
    for names, make in makers.items():
        made.update({one: kept[one] for one in names} if all(one in kept for one in names) else make())
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return {**made, "ratio_to_training": math.exp(made["nats"] - made["training_nats"])}


def _start_figures(recipe) -> dict:
    """Of the packed model that "bundled" goes on from, on the same held-out text: what training on was worth."""
    path = recipe.out / "start.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["held_out_tokens"] == len(recipe.valid.tokens):
            return kept
    shape, state = recipe.start
    model = build_model(shape)
    model.load_state_dict(state)
    made = {"name": recipe.words.start.name, "held_out_tokens": len(recipe.valid.tokens), **measure(model, recipe.valid, shape.context)}
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return made


def _model_lines(results: dict) -> "list[str]":
    held, plan = results["held_out"], results["plan"]
    scaled = "" if plan["scale"] == 1 else f" Budgets are {plan['scale']:g} of the plan's."
    lines = [f"Held-out text: {held['tokens']:,} tokens, {held['bytes']:,} bytes. Precision of the products in training: {plan['precision']}.{scaled} Last column: held-out perplexity over"]
    lines[0] += f" that of {TRAINING_TOKENS:,} tokens from all over the training text. Minutes are by the clock."
    lines += ["", "| model | what | parameters | tokens seen | passes | rate | seed | nats a token | perplexity | bits per byte | MB stored | minutes | held-out / training |"]
    lines += ["|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for name, one in results["models"].items():
        lines.append(
            f"| {name} | {one['why']} | {one['parameters']:,} | {one['tokens']:,} | {one['tokens'] / one['different_tokens']:.2f} | {one['settings']['learning_rate']:g} | {one['seed']} | "
            f"{one['nats']:.4f} | {one['perplexity']:.2f} | {one['bits_per_byte']:.4f} | {one['megabytes_stored']:.2f} | {one['minutes']:.1f} | {one['ratio_to_training']:.3f} |"
        )
    if "start" in results:
        start = results["start"]
        lines.append(f"| {start['name']} | what bundled began with | | | | | | {start['nats']:.4f} | {start['perplexity']:.2f} | {start['bits_per_byte']:.4f} | | | |")
    return lines
