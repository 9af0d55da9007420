"""figures.py: from the runs of a recipe that are done to results.md, results.json, a report of each ternary model and a card of each packed one. Trains nothing."""

import json
from pathlib import Path

from experiments.compare import QUESTIONS, as_table
from tercet_train.model import build_model
from tercet_train.report import measure, rounded_after_training, sizes, write_report
from tercet_train.runs import Run, open_run
from tercet_train.train import sample

PROMPTS = ("Once upon a time", "One morning Tom went to the store", '"I don\'t know," said Dorothy')


def write_figures(recipe, reports: bool = True) -> Path:
    """results.md of recipe.out; reads what run.py has left there so far. reports: a report and a card of each packed model too."""
    runs = {name: open_run(recipe.folder(name)) for name in recipe.jobs if _is_done(recipe, name)}
    results = {"plan": json.loads((recipe.out / "plan.json").read_text(encoding="utf-8"))}
    results["held_out"] = {"tokens": len(recipe.valid.tokens), "bytes": recipe.valid.text_bytes}
    results["models"] = {name: _kept_figures(recipe, name, run) for name, run in runs.items()}
    if any(recipe.jobs[name].start == "bundled" for name in runs):
        results["start"] = _start_figures(recipe)
    results["tables"] = {}
    for name in QUESTIONS:
        path = recipe.out / "tables" / f"{name}.json"
        if path.exists():
            results["tables"][name] = json.loads(path.read_text(encoding="utf-8"))
    lines = ["# What the trainings came to", "", *_model_lines(recipe, results), *_gap_lines(recipe, results)]
    for facts in results["tables"].values():
        lines += ["", as_table(facts).rstrip()]
    for name, run in runs.items():
        job = recipe.jobs[name]
        if job.packs and reports:
            twin = runs.get(job.twin)
            packed = _packed(recipe, name)
            write_report(recipe.out / "reports" / name, run, recipe.valid, twin=twin, packed=packed, most_tokens=_report_tokens(recipe))
            (recipe.out / "packed" / name / "README.md").write_text(_card(recipe, name, run, results), encoding="utf-8")
    (recipe.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    path = recipe.out / "results.md"
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return path


def _report_tokens(recipe) -> int:
    # results.md has the whole held-out text; a report shows the same models on a part of it, beside their sizes and zeros.
    return min(100_000, len(recipe.valid.tokens))


def _is_done(recipe, name: str) -> bool:
    path = recipe.folder(name) / "checkpoint.pt"
    return path.exists() and open_run(recipe.folder(name)).step >= recipe.jobs[name].settings["steps"]


def _packed(recipe, name: str) -> "Path | None":
    path = recipe.out / "packed" / f"{name}.tercet"
    return path if path.exists() else None


def _kept_figures(recipe, name: str, run: Run) -> dict:
    """Measured once a run: minutes on a long text."""
    path = recipe.folder(name) / "figures.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["step"] == run.step and kept["held_out_tokens"] == len(recipe.valid.tokens):
            return kept
    job = recipe.jobs[name]
    size = sizes(run.model)
    made = {
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
        "held_out_tokens": len(recipe.valid.tokens),
        **measure(run.model, recipe.valid, run.shape.context),
    }
    if not run.shape.ternary:
        made["rounded_bits_per_byte"] = measure(rounded_after_training(run), recipe.valid, run.shape.context)["bits_per_byte"]
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return made


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


def _model_lines(recipe, results: dict) -> "list[str]":
    held = results["held_out"]
    lines = [f"Held-out text: {held['tokens']:,} tokens, {held['bytes']:,} bytes. Precision of the products in training: {results['plan']['precision']}.", ""]
    lines += ["| model | what | parameters | tokens trained on | nats a token | bits per byte | minutes |", "|---|---|---|---|---|---|---|"]
    for name, one in results["models"].items():
        lines.append(
            f"| {name} | {one['why']} | {one['parameters']:,} | {one['tokens']:,} | {one['nats']:.4f} | {one['bits_per_byte']:.4f} | {one['minutes']:.1f} |"
        )
    if "start" in results:
        start = results["start"]
        lines.append(f"| {start['name']} | what bundled began with | | | {start['nats']:.4f} | {start['bits_per_byte']:.4f} | |")
    return lines


def _gap_lines(recipe, results: dict) -> "list[str]":
    models = results["models"]
    lines = []
    for name, one in models.items():
        twin = models.get(recipe.jobs[name].twin)
        if twin is None:
            continue
        ratio = one["bits_per_byte"] / twin["bits_per_byte"] - 1
        rounded = twin["rounded_bits_per_byte"] / twin["bits_per_byte"] - 1
        equal = "" if one["tokens"] == twin["tokens"] else f" (not at equal tokens: {one['tokens']:,} and {twin['tokens']:,})"
        lines.append(f"- {name}: {100 * ratio:+.1f} % bits per byte of {recipe.jobs[name].twin}{equal}; that twin rounded without training: {100 * rounded:+.1f} %.")
    return ["", *lines] if lines else []


def _card(recipe, name: str, run: Run, results: dict) -> str:
    """A model card's facts. Where the text came from and its licence is for whoever chose it to say."""
    one, shape, settings = results["models"][name], run.shape, run.settings
    plan = results["plan"]
    lines = [f"# {name}", "", f"A ternary language model: {one['why']}.", ""]
    lines += [
        f"* **Shape**: {shape.family}; {one['parameters']:,} parameters, {one['ternary_parameters']:,} of them -1, 0 or +1 times one scale a {shape.scale}; width {shape.width}, "
        f"{shape.layers} layers, {shape.heads} heads, inner {shape.inner}, vocabulary {shape.vocabulary}, context {shape.context}, {shape.activation if shape.family != 'gpt2' else 'gelu'}.",
        f"* **Text**: {', '.join(plan['train'])}; {one['different_tokens']:,} different tokens. Held out: {plan['valid']}. Licence: that of the texts; say it here.",
        f"* **Recipe**: {one['tokens']:,} tokens seen ({settings['steps']} steps of {settings['batch']} windows), AdamW {settings['betas']}, rate {settings['learning_rate']}, then half of it to zero "
        f"from {100 * settings['second_stage']:.0f} % on, weight decay {settings['weight_decay']} before that, clip {settings['clip']}, seed {settings['seed']}, {settings['precision']} products"
        + (", begun from the bundled model's ternary weights" if recipe.jobs[name].start == "bundled" else "")
        + ".",
        f"* **Cost**: {one['minutes']:.0f} minutes of training.",
        f"* **Held-out text**: {one['nats']:.4f} nats a token, {one['bits_per_byte']:.4f} bits a byte.",
    ]
    lines += [line.replace("- ", "* **Beside its twin**: ", 1) for line in _gap_lines(recipe, results) if line.startswith(f"- {name}:")]
    packed = _packed(recipe, name)
    if packed is not None:
        lines.append(f"* **Size**: {packed.stat().st_size:,} bytes packed.")
    lines += ["* **Limits**: small and trained briefly; it knows nothing but the style of its texts. Sample at temperature 0.7, top-p 0.95: greedy decoding loops.", "", "First draw of each prompt (seed 1):", ""]
    for prompt in PROMPTS:
        text = sample(run.model, recipe.tokenizer, prompt, 12 if plan["smoke"] else 120).replace("\n", " / ")
        lines.append(f"> {text}\n")
    return "\n".join(lines).rstrip() + "\n"
