"""card.py: the model card of a packed model: data, licence, recipe, cost, figures, samples, limits. Only words of figures that figures.py has measured."""

from .answers import twin_sentence
from .jobs import Job

# Texts that this project is trained on, by the begin of their names; of others their chooser says it (--about).
KNOWN_TEXTS = {
    "gutenberg-simple": "English prose of books that are in the public domain in the USA (Alger, Baum, Burnett, Nesbit, Andersen, Grimm, Lang and others), from the public repository "
    "`rcdm-uga/Gutenberg_Text`: plain vocabulary and short sentences chosen by rank, headers, footers and Project Gutenberg's name removed, one paragraph a line, ASCII."
}
KNOWN_LICENCE = "The texts are in the public domain in the USA; the model is under the licence of this repository (MIT)."
NOT_SAID = "Not said by whoever trained this: give `--about FILE` to `recipes.run` before passing the model on."


def card(job: Job, results: dict, jobs: "dict[str, Job]", *, samples: "list[str]", packed_bytes: "int | None" = None, about: "str | None" = None) -> str:
    """samples: first draws, as they are. about: of the texts and their licence, Markdown, in the place of what is known here."""
    name, models, plan = job.name, results["models"], results["plan"]
    one = models[name]
    shape, settings = one["shape"], one["settings"]
    lines = [f"# {name}", "", f"A ternary language model: {job.why}.", "", "## What it is", ""]
    lines.append(
        f"{shape['family']}; {one['parameters']:,} parameters, {one['ternary_parameters']:,} of them -1, 0 or +1 times one scale a {shape['scale']}; activations int8 per token. Width {shape['width']}, "
        f"{shape['layers']} layers, {shape['heads']} heads, inner {shape['inner']}, {'gelu' if shape['family'] == 'gpt2' else shape['activation']}, vocabulary {shape['vocabulary']}, context {shape['context']}."
    )
    lines += ["", "## Data and licence", ""]
    known = [text for begin, text in KNOWN_TEXTS.items() if all(each.startswith(begin) for each in [*plan["train"], plan["valid"]])]
    lines += [about.strip()] if about is not None else [known[0], "", KNOWN_LICENCE] if known else [NOT_SAID]
    lines += ["", f"Trained on {', '.join(plan['train'])} ({one['different_tokens']:,} different tokens); held out: {plan['valid']}."]
    lines += ["", "## Recipe and cost", ""]
    second = "half of it" if settings["second_rate"] is None else settings["second_rate"]
    lines.append(
        f"{one['tokens']:,} tokens seen ({one['tokens'] / one['different_tokens']:.2f} passes): {settings['steps']:,} steps of {settings['batch']} windows of {shape['context']}. AdamW {tuple(settings['betas'])}, "
        f"learning rate {settings['learning_rate']}, then {second} to zero from {100 * settings['second_stage']:.0f} % on, weight decay {settings['weight_decay']} before that, clip {settings['clip']}, "
        f"warm-up {settings['warmup']} steps, seed {settings['seed']}, {settings['precision']} products"
        + (f", begun from the ternary weights of {results['start']['name']}" if job.start == "packed" else "")
        + f". {one['minutes']:.0f} minutes by the clock on {one['machine']}, done {one['done']}."
    )
    lines += ["", "## Figures", "", "| held-out text | |", "|---|---|"]
    lines += [f"| nats a token | {one['nats']:.4f} |", f"| perplexity | {one['perplexity']:.2f} |", f"| bits per byte | {one['bits_per_byte']:.4f} |"]
    lines.append(f"| perplexity over that of as much training text | {one['ratio_to_training']:.3f} |")
    lines += [f"| MB as stored (2 bits a ternary weight) | {one['megabytes_stored']:.3f} |", f"| MB as papers count (1.58 bits) | {one['megabytes_claimed']:.3f} |"]
    if packed_bytes is not None:
        lines.append(f"| bytes of the packed file, tokenizer and hashes too | {packed_bytes:,} |")
    sentence = twin_sentence(name, models, jobs) if job.twin is not None else None
    if sentence is not None:
        lines += ["", f"{sentence}."]
    if job.start == "packed":
        begun = results["start"]
        lines += ["", f"What it began with had {begun['bits_per_byte']:.4f} bits per byte: {100 * (one['bits_per_byte'] / begun['bits_per_byte'] - 1):+.1f} %."]
    lines += ["", "## Samples", "", 'The first draw of each prompt at temperature 0.7, top-p 0.95, seed 1 (" / " ends a line):', ""]
    for text in samples:
        lines += ["> " + text.replace("\n", " / "), ""]
    lines += ["## Limits", ""]
    lines += [
        "Small and trained briefly. It continues text in the style of its training texts and does nothing else: it follows no instructions, answers no questions, and what it says is not true but by chance. It knows "
        f"the language and the views of those texts only. Clauses hold, stories do not; nothing before its last {shape['context']} tokens is seen. Greedy decoding loops: sample."
    ]
    return "\n".join(lines).rstrip() + "\n"
