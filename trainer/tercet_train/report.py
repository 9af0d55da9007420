"""report.py: what a training came to, in figures that compare: bits per byte on held-out text, a float twin beside it, what rounding without training would
give, zeros of each layer over the steps, and sizes. Markdown, and plots where matplotlib is installed.
"""

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from typing import Optional

from torch import nn

from .data import TokenFile, Windows
from .model import build_model
from .runs import Run
from .ternary_layer import bit_linears
from .train import evaluate

BITS_OF_A_TRIT = math.log2(3)


def measure(model: nn.Module, file: TokenFile, context: int, batch: int = 16, most_tokens: Optional[int] = None) -> "dict[str, float]":
    """Loss in nats a token, perplexity, and bits per byte of the text that the file's tokens stand for. most_tokens: windows from all over the file."""
    nats = evaluate(model, Windows(file, context, 0), batch, most_tokens, spread=True)
    return {"nats": nats, "perplexity": math.exp(nats), "bits_per_byte": nats / math.log(2) / file.bytes_per_token}


def rounded_after_training(run: Run, scale: str = "tensor") -> nn.Module:
    """The float model of a run with its layers made ternary and nothing trained: PTQ, the measure of what training is for."""
    if run.shape.ternary:
        raise ValueError(f"{run.folder}: is ternary already; rounding after training is asked of its float twin")
    made = build_model(replace(run.shape, ternary=True, scale=scale))
    made.load_state_dict(run.model.state_dict())
    return made.eval()


def sizes(model: nn.Module) -> "dict[str, float]":
    """Megabytes (10^6) of the weights: as float16; packed with two bits a ternary weight, which is what is stored and run; and as is often claimed,
    with log2(3) = 1.58 bits. Everything that is not ternary counts as float16, scales by what they take (float32; of groups float16)."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    ternary = scales = 0
    for _, layer in bit_linears(model):
        ternary += layer.weight.numel()
        scales += layer.ternary()[1].numel() * (2 if layer.scale == "group" else 4)
    rest = 2 * (parameters - ternary) + scales
    return {
        "parameters": parameters,
        "ternary": ternary,
        "float16": 2 * parameters / 1e6,
        "stored": (ternary / 4 + rest) / 1e6,
        "claimed": (ternary * BITS_OF_A_TRIT / 8 + rest) / 1e6,
    }


def write_report(
    folder: "str | Path",
    run: Run,
    valid: TokenFile,
    *,
    train: Optional[TokenFile] = None,
    twin: Optional[Run] = None,
    packed: "Optional[str | Path]" = None,
    most_tokens: Optional[int] = None,
) -> Path:
    """Writes report.md (and loss.png, zeros.png) into `folder`. twin: the run of the float model of the same shape. packed: the .tercet file of
    this model, for its true size. most_tokens: of the held-out text to look at (default all)."""
    if twin is not None and twin.shape.ternary:
        raise ValueError(f"{twin.folder}: is ternary: a twin to compare with is trained with --float")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(f"{_kind(run)} ({run.folder.name})", run, run.model)]
    if twin is not None:
        rows.append((f"float twin ({twin.folder.name})", twin, twin.model))
        rows.append(("float twin, rounded after training (PTQ)", twin, rounded_after_training(twin, run.shape.scale)))
    figures = {name: measure(model, valid, owner.shape.context, most_tokens=most_tokens) for name, owner, model in rows}
    lines = [f"# {run.folder.name}", "", _described(run), "", "## Held-out text", ""]
    lines += [f"{valid.path.name}: {len(valid.tokens):,} tokens, {valid.text_bytes:,} bytes of text; windows of {run.shape.context}"]
    lines[-1] += " beside each other." if most_tokens is None or most_tokens >= len(valid.tokens) else f" from all over it, {most_tokens:,} tokens."
    lines.append("")
    lines += ["| model | tokens trained on | nats a token | perplexity | bits per byte |", "|---|---|---|---|---|"]
    for name, owner, _ in rows:
        figure = figures[name]
        lines.append(f"| {name} | {owner.tokens:,} | {figure['nats']:.4f} | {figure['perplexity']:.2f} | {figure['bits_per_byte']:.4f} |")
    if twin is not None:
        ours, theirs, rounded = (figures[name]["bits_per_byte"] for name, _, _ in rows)
        lines += ["", f"Ternary costs {100 * (ours / theirs - 1):+.1f} % bits per byte of its float twin; rounded without training {100 * (rounded / theirs - 1):+.1f} %."]
        if twin.tokens != run.tokens:
            lines += ["", f"**The twin saw {twin.tokens:,} tokens and this model {run.tokens:,}: the two do not compare.**"]
    if train is not None:
        most = min(len(valid.tokens), most_tokens or len(valid.tokens))
        seen = measure(run.model, train, run.shape.context, most_tokens=most)
        ratio = figures[rows[0][0]]["perplexity"] / seen["perplexity"]
        lines += ["", f"On as much of the training text: {seen['nats']:.4f} nats a token; held-out perplexity is {ratio:.3f} times that of the training text."]
    lines += ["", "## Size", "", *_size_lines(run.model, packed)]
    lines += ["", "## Zeros", "", *_zero_lines(run)]
    lines += ["", *_plots(folder, run, twin)]
    path = folder / "report.md"
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return path


def _kind(run: Run) -> str:
    return f"ternary, scale by {run.shape.scale}" if run.shape.ternary else "float"


def _described(run: Run) -> str:
    shape, settings = run.shape, run.settings
    return (
        f"{shape.family}, {_kind(run)}: width {shape.width}, {shape.layers} layers, {shape.heads} heads, inner {shape.inner}, vocabulary "
        f"{shape.vocabulary}, context {shape.context}. {run.step:,} of {settings['steps']:,} steps of {settings['batch']} windows, seed {settings['seed']}, "
        f"learning rate {settings['learning_rate']}, {run.seconds / 60:.1f} minutes."
    )


def _size_lines(model: nn.Module, packed) -> "list[str]":
    size = sizes(model)
    share = size["ternary"] / size["parameters"]
    lines = [
        f"{size['parameters']:,} parameters, {100 * share:.1f} % ternary.",
        "",
        "| counted as | MB |",
        "|---|---|",
        f"| all float16 | {size['float16']:.3f} |",
        f"| ternary weights at 2 bits (stored and run so), the rest float16 | {size['stored']:.3f} |",
        f"| ternary weights at 1.58 bits (as papers count), the rest float16 | {size['claimed']:.3f} |",
    ]
    if packed is not None:
        lines.append(f"| {Path(packed).name}, the whole file with tokenizer and hashes | {Path(packed).stat().st_size / 1e6:.3f} |")
    return lines


def _zero_table(run: Run) -> "tuple[list[str], list[tuple[int, list[float]]]]":
    names = [name for name, _ in bit_linears(run.model)]
    table = [(int(row["step"]), [float(share) for share in row["zeros"].split()]) for row in run.rows if row["zeros"]]
    return names, [entry for entry in table if len(entry[1]) == len(names)]


def _zero_lines(run: Run) -> "list[str]":
    names, _ = _zero_table(run)
    if not names:
        return ["No layer is ternary."]
    now = [layer.zeros() for _, layer in bit_linears(run.model)]
    _, table = _zero_table(run)
    # Few columns are enough to see where it goes.
    picked = [table[round(index * (len(table) - 1) / 3)] for index in range(4)] if len(table) > 3 else table
    lines = ["Share of the weights that are 0, by layer, over the steps:", ""]
    lines += ["| layer | " + " | ".join([*(f"step {step}" for step, _ in picked), "now"]) + " |", "|---" * (len(picked) + 2) + "|"]
    for index, name in enumerate(names):
        shares = [*(shares[index] for _, shares in picked), now[index]]
        lines.append(f"| {name} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |")
    return lines


def _plots(folder: Path, run: Run, twin: Optional[Run]) -> "list[str]":
    if not importlib.util.find_spec("matplotlib"):
        return ["No plots: matplotlib is not installed."]
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for one, name in ((run, _kind(run)), (twin, "float twin")):
        if one is None:
            continue
        tokens = [int(row["tokens"]) for row in one.rows]
        axes.plot(tokens, [float(row["loss"]) for row in one.rows], linewidth=0.6, alpha=0.5)
        held = [(int(row["tokens"]), float(row["valid"])) for row in one.rows if row["valid"]]
        axes.plot([at for at, _ in held], [loss for _, loss in held], marker="o", markersize=3, label=f"{name}, held-out")
    axes.set_xlabel("tokens trained on")
    axes.set_ylabel("nats a token")
    axes.legend()
    figure.tight_layout()
    figure.savefig(folder / "loss.png", dpi=120)
    pyplot.close(figure)
    lines = ["![Loss over tokens](loss.png)"]
    names, table = _zero_table(run)
    if len(table) > 1:
        figure, axes = pyplot.subplots(figsize=(7, 4))
        for index in range(len(names)):
            axes.plot([step for step, _ in table], [100 * shares[index] for _, shares in table], linewidth=0.8)
        axes.set_xlabel("step")
        axes.set_ylabel("zeros of a layer, %")
        figure.tight_layout()
        figure.savefig(folder / "zeros.png", dpi=120)
        pyplot.close(figure)
        lines += ["", "![Zeros of each layer over the steps](zeros.png)"]
    return lines
