"""answers.py: from the figures of the trainings to what was asked of them: what does ternary cost beside float, what is TernaryLM's budget worth, what do training, a
teacher, a ramp and finer scales give? Markdown of figures alone: measures nothing, and says of what is not there yet that it is not.
"""

from experiments.compare import QUESTIONS, as_table

from .jobs import TERNARYLM, Job

# What ternary may cost beside its float twin, in bits per byte.
GAP_MOST = 0.05

ASKED = {
    "ptq": "Rounding after training (PTQ) beside training ternary (QAT)",
    "distill": "With and without a float teacher",
    "ramp": "With and without the way from float to ternary (lambda warm-up)",
    "scale": "One scale a tensor, a row, a group of 128",
    "rate": "Learning rates of float and ternary",
}


def answer_lines(results: dict, jobs: "dict[str, Job]") -> "list[str]":
    """results: as figures.py collects them. Sections of Markdown, in the order of the questions."""
    lines = ["## Ternary beside its float twin, at equal tokens", "", *_twin_lines(results["models"], jobs)]
    lines += ["", "## TernaryLM's blocks at its own budget", "", *_ternarylm_lines(results["models"])]
    for name in QUESTIONS:
        facts = results["tables"].get(name)
        lines += ["", f"## {ASKED[name]}", ""]
        lines += ["Not trained yet."] if facts is None else [as_table(facts).rstrip(), "", *_verdicts(facts)]
    return lines


def gap(one: dict, other: dict) -> float:
    """Of the bits per byte of one over those of the other."""
    return one["bits_per_byte"] / other["bits_per_byte"] - 1


def twin_sentence(name: str, models: dict, jobs: "dict[str, Job]") -> "str | None":
    """None where one of the two is not trained yet, or the other is no float twin of the same shape."""
    one, twin = models.get(name), models.get(jobs[name].twin)
    if one is None or twin is None or {**one["shape"], "ternary": False} != twin["shape"]:
        return None
    cost, rounded = gap(one, twin), twin["rounded_bits_per_byte"] / twin["bits_per_byte"] - 1
    said = f"{100 * cost:+.1f} % bits per byte of its float twin {jobs[name].twin}"
    if one["tokens"] != twin["tokens"]:
        return f"{said} (not at equal tokens: {one['tokens']:,} and {twin['tokens']:,}, so the two do not compare)"
    within = f"within {100 * GAP_MOST:.0f} %" if cost <= GAP_MOST else f"over {100 * GAP_MOST:.0f} %"
    return f"{said} at equal tokens, {within}; that twin rounded without training: {100 * rounded:+.1f} %"


def _twin_lines(models: dict, jobs: "dict[str, Job]") -> "list[str]":
    lines = ["| ternary model | tokens each | ternary | float twin | gap | twin rounded (PTQ) | gap of that |", "|---|---|---|---|---|---|---|"]
    sentences = []
    for name, job in jobs.items():
        if job.twin is None or {**job.shape, "ternary": False} != jobs[job.twin].shape:
            continue
        sentence = twin_sentence(name, models, jobs)
        if sentence is None:
            sentences.append(f"- {name} or {job.twin}: not trained yet.")
            continue
        one, twin = models[name], models[job.twin]
        rounded = twin["rounded_bits_per_byte"]
        lines.append(
            f"| {name} | {one['tokens']:,} | {one['bits_per_byte']:.4f} | {twin['bits_per_byte']:.4f} | {100 * gap(one, twin):+.1f} % | {rounded:.4f} | "
            f"{100 * (rounded / twin['bits_per_byte'] - 1):+.1f} % |"
        )
        sentences.append(f"- {name}: {sentence}.")
    return [*(lines if len(lines) > 2 else []), *([""] if len(lines) > 2 else []), *sentences]


def _ternarylm_lines(models: dict) -> "list[str]":
    seen = TERNARYLM["tokens"] * TERNARYLM["passes"]
    lines = [
        f"Published: {TERNARYLM['parameters']:,} parameters, {TERNARYLM['tokens']:,} tokens x {TERNARYLM['passes']}, {seen / TERNARYLM['parameters']:.2f} tokens seen a parameter; "
        "its float baseline had no causal mask. Here its blocks scaled down, at as many tokens a parameter and as many passes, and a float twin with the mask.",
        "",
    ]
    names = [name for name in ("ternarylm", "ternarylm-float", "ternarylm-ours") if name in models]
    if len(names) < 3:
        missing = {"ternarylm", "ternarylm-float", "ternarylm-ours"} - set(names)
        lines += [f"Not trained yet: {', '.join(sorted(missing))}.", ""]
    if not names:
        return lines[:-1]
    lines += ["| model | parameters | different tokens | passes | tokens a parameter | perplexity | bits per byte | beside ternarylm |", "|---|---|---|---|---|---|---|---|"]
    for name in names:
        one = models[name]
        beside = f"{100 * gap(one, models['ternarylm']):+.1f} %" if "ternarylm" in models else ""
        lines.append(
            f"| {name} | {one['parameters']:,} | {one['different_tokens']:,} | {one['tokens'] / one['different_tokens']:.1f} | {one['tokens'] / one['parameters']:.2f} | "
            f"{one['perplexity']:.2f} | {one['bits_per_byte']:.4f} | {beside} |"
        )
    if {"ternarylm", "ternarylm-ours"} <= set(names):
        ours, theirs = models["ternarylm-ours"], models["ternarylm"]
        better = "beats" if gap(ours, theirs) < 0 else "does not beat"
        lines += ["", f"- Our recipe {better} TernaryLM's blocks at the same tokens: {100 * gap(ours, theirs):+.1f} % bits per byte with {ours['parameters']:,} parameters of {theirs['parameters']:,}."]
    if {"ternarylm-float", "ternarylm-ours"} <= set(names):
        lines.append(f"- Beside the causal float model of TernaryLM's blocks: {100 * gap(models['ternarylm-ours'], models['ternarylm-float']):+.1f} %.")
    return lines


def _verdicts(facts: dict) -> "list[str]":
    """Of each row beside the first, seed by seed: the same text and the same first weights, so a difference that all seeds agree on is the row's."""
    (first, begun), *others = facts["bits_per_byte"].items()
    lines = []
    for kind, values in others:
        changes = [100 * (value / base - 1) for value, base in zip(values, begun)]
        told = ", ".join(f"{change:+.2f} %" for change in changes)
        if len(changes) == 1:
            says = "one seed alone, which shows little"
        elif all(change < 0 for change in changes):
            says = "better with every seed"
        elif all(change > 0 for change in changes):
            says = "worse with every seed"
        else:
            says = "the seeds disagree: no difference is shown"
        lines.append(f"- {kind}, beside {first}: {told}: {says}.")
    return lines
