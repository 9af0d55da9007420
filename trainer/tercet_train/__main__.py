"""python -m tercet_train: the command line. Nothing is computed here: words become calls."""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from .machine import prepare_cpu

DESCRIPTION = "Trains ternary language models (weights -1, 0, +1) and exports them for `tercet pack`."
EXAMPLE = """from nothing to a packed model:
  python -m tercet_train tokenizer book.txt -o tok --vocabulary 1024
  python -m tercet_train tokenize book.txt --tokenizer tok -o train.bin
  python -m tercet_train train --data train.bin --tokenizer tok -o run --steps 2000
  python -m tercet_train export run --tokenizer tok -o model
  tercet pack model -o model.tercet

An interrupted training goes on where it was: give the same command again. Each command has --help."""

SHAPE_WORDS = {
    "family": "bitnet has RMSNorm, rotary positions and sub-norms; llama no sub-norms",
    "width": "of the hidden states",
    "layers": "blocks",
    "heads": "attention heads",
    "kv_heads": "key and value heads (bitnet; default: as many as heads)",
    "inner": "width of the feed-forward part",
    "context": "tokens a window",
    "activation": "of the feed-forward part (gpt2 has its own)",
    "scale": "what shares a scale; a group is 128 inputs of a row",
}
CHOICES = {
    "family": ("bitnet", "llama", "ternarylm", "gpt2"),
    "activation": ("relu2", "silu"),
    "scale": ("tensor", "row", "group"),
    "precision": ("float32", "bfloat16"),
}
SETTING_WORDS = {
    "steps": "optimizer steps",
    "batch": "windows a step, over all processes",
    "accumulate": "parts a step is computed in, one after the other, or auto: on a CPU of about 1,024 tokens each, on CUDA one",
    "seed": "of the first weights and of the windows",
    "learning_rate": "of the first stage; about 1 / width beyond 192",
    "second_rate": "the second stage begins at this (default: half of the first)",
    "second_stage": "where it begins, as a share of the steps; without weight decay",
    "warmup": "steps over which the rate rises",
    "weight_decay": "of matrices, in the first stage",
    "ramp": "steps from float to ternary (lambda warm-up); 0: ternary from the first",
    "clip": "longest gradient",
    "precision": "of the products while training",
    "checkpoint_every": "steps",
    "evaluate_every": "steps",
    "evaluate_tokens": "held-out tokens to look at each time",
    "sample_every": "steps between texts in samples.txt; 0: none",
}


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """One column for all names, and defaults where there is one to tell."""

    def __init__(self, prog):
        super().__init__(prog, max_help_position=30)

    def _get_help_string(self, action):
        told = action.help or ""
        tells = action.default in (None, False, argparse.SUPPRESS) or "(default" in told
        return told if tells else f"{told} (default %(default)s)"


def make_parser() -> argparse.ArgumentParser:
    from .model import ModelShape
    from .train import TrainSettings

    parser = argparse.ArgumentParser("python -m tercet_train", description=DESCRIPTION, epilog=EXAMPLE, formatter_class=_Formatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    one = commands.add_parser("tokenizer", help="make a vocabulary of one's own from texts", formatter_class=_Formatter)
    one.add_argument("texts", nargs="+", type=Path, help="UTF-8, also .xz, .gz, .bz2")
    one.add_argument("-o", "--output", required=True, type=Path, help="folder to write")
    one.add_argument("--vocabulary", type=int, default=4096, help="tokens (default 4096)")
    one.add_argument("--kind", default="auto", help="tokenizers (byte-level BPE), sentencepiece, or auto: whichever is installed")

    one = commands.add_parser("tokenize", help="turn texts into a token file", formatter_class=_Formatter)
    one.add_argument("texts", nargs="+", type=Path, help='UTF-8, also .xz, .gz, .bz2; a line "<|endoftext|>" ends a document')
    one.add_argument("-o", "--output", required=True, type=Path, help="token file to write")
    one.add_argument("--tokenizer", required=True, type=Path, help="folder of a tokenizer")

    one = commands.add_parser("train", help="train, or go on training", formatter_class=_Formatter)
    one.add_argument("--data", required=True, type=Path, help="token file to train on")
    one.add_argument("--valid", type=Path, help="token file of held-out text")
    one.add_argument("-o", "--output", required=True, type=Path, help="folder of this run; one that holds a checkpoint goes on")
    one.add_argument("--tokenizer", type=Path, help="folder of the tokenizer, for samples")
    one.add_argument("--float", action="store_true", help="train the float twin: the same blocks, nothing ternary")
    one.add_argument("--start", type=Path, metavar="RUN", help="begin with the weights of this run, float or ternary, or of a packed Hugging Face folder (fine-tuning; its shape)")
    one.add_argument("--teacher", type=Path, metavar="RUN", help="distil from the float model of this run")
    one.add_argument("--distill", nargs=3, type=float, default=[0.5, 2.0, 0.0], metavar=("WEIGHT", "TEMPERATURE", "HIDDEN"), help="share of the teacher, softness, weight of hidden states")
    one.add_argument("--recompute", action="store_true", help="gradient checkpointing: less memory, more time")
    one.add_argument("--shard", action="store_true", help="with several processes: each keeps only its share of the optimizer's state")
    one.add_argument("--quiet", action="store_true", help="no progress")
    _add_fields(one, ModelShape, SHAPE_WORDS)
    _add_fields(one, TrainSettings, SETTING_WORDS)

    one = commands.add_parser("sample", help="write text with a run's model", formatter_class=_Formatter)
    one.add_argument("run", type=Path)
    one.add_argument("--tokenizer", required=True, type=Path)
    one.add_argument("-p", "--prompt", default="Once upon a time")
    one.add_argument("-n", "--tokens", type=int, default=100)
    one.add_argument("--temperature", type=float, default=0.7)
    one.add_argument("--seed", type=int, default=1)

    one = commands.add_parser("export", help="write a Hugging Face folder that `tercet pack` reads", formatter_class=_Formatter)
    one.add_argument("run", type=Path)
    one.add_argument("-o", "--output", required=True, type=Path, help="folder to write")
    one.add_argument("--tokenizer", required=True, type=Path)
    one.add_argument("--form", choices=("packed", "grid", "master"), help="packed: 2 bits a weight (bitnet and llama, scale by tensor); grid: floats on the ternary grid; master: bfloat16 latent weights (default: packed where it can be, else grid)")
    one.add_argument("--embedding", choices=("f16", "f32"), default="f16", help="(default f16)")

    one = commands.add_parser("report", help="figures of a run on held-out text, as Markdown and plots", formatter_class=_Formatter)
    one.add_argument("run", type=Path)
    one.add_argument("--valid", required=True, type=Path, help="token file of held-out text")
    one.add_argument("-o", "--output", required=True, type=Path, help="folder to write report.md into")
    one.add_argument("--data", type=Path, help="token file that was trained on: adds the ratio")
    one.add_argument("--twin", type=Path, metavar="RUN", help="the float twin's run")
    one.add_argument("--packed", type=Path, metavar="FILE", help="the packed .tercet file: adds its size")
    one.add_argument("--tokens", type=int, help="held-out tokens to look at (default: all)")
    return parser


def _add_fields(parser, kind, words: "dict[str, str]") -> None:
    for field in fields(kind):
        if field.name in words:
            of = float if field.name == "second_rate" else str if isinstance(field.default, str) else type(field.default)
            default = None if field.name == "kv_heads" else field.default
            options = {"choices": CHOICES[field.name]} if field.name in CHOICES else {"metavar": "N" if of is int else "X"}
            if field.name == "accumulate":
                of, default = _parts, "auto"
            parser.add_argument("--" + field.name.replace("_", "-"), type=of, default=default, help=words[field.name], **options)


def _parts(word: str) -> int:
    from .train import AUTO

    if word != "auto" and not word.isdigit() or word == "0":
        raise argparse.ArgumentTypeError(f"{word!r} is neither auto nor a number from 1 on")
    return AUTO if word == "auto" else int(word)


def run_tokenizer(words) -> None:
    from .tokenizer import open_tokenizer, train_tokenizer

    kind = train_tokenizer(words.texts, words.output, words.vocabulary, words.kind)
    made = open_tokenizer(words.output)
    fewer = "" if made.vocabulary == words.vocabulary else f", not {words.vocabulary}: the text gives no more"
    print(f"{words.output}: {made.vocabulary} tokens{fewer}, made with {kind}")


def run_tokenize(words) -> None:
    from .data import write_tokens
    from .tokenizer import open_text, open_tokenizer

    tokenizer = open_tokenizer(words.tokenizer)

    def chunks():
        for path in words.texts:
            with open_text(path) as file:
                yield from tokenizer.documents(file.read())

    made = write_tokens(words.output, chunks(), tokenizer.vocabulary, tokenizer.fingerprint)
    print(f"{words.output}: {len(made.tokens):,} tokens, {made.text_bytes:,} bytes, {made.bytes_per_token:.3f} bytes a token")


def run_train(words) -> None:
    from .data import open_tokens
    from .model import ModelShape
    from .runs import open_run, open_start
    from .tokenizer import open_tokenizer
    from .train import Trainer, TrainSettings

    train = open_tokens(words.data)
    facts = {name: getattr(words, name) for name in SHAPE_WORDS}
    facts["kv_heads"] = facts["heads"] if facts["kv_heads"] is None else facts["kv_heads"]
    shape = ModelShape(vocabulary=train.vocabulary, ternary=not words.float, tied=words.family != "ternarylm", **facts)
    settings = TrainSettings(recompute=words.recompute, shard=words.shard, **{name: getattr(words, name) for name in SETTING_WORDS})
    trainer = Trainer(
        shape,
        settings,
        train,
        None if words.valid is None else open_tokens(words.valid),
        words.output,
        start=None if words.start is None else open_start(words.start),
        teacher=None if words.teacher is None else open_run(words.teacher).model,
        distillation=tuple(words.distill),
        tokenizer=None if words.tokenizer is None else open_tokenizer(words.tokenizer),
        quiet=words.quiet,
    )
    if trainer.resume() and trainer.leads:
        is_done = trainer.step >= settings.steps
        told = f"all {settings.steps} steps are done already; to train on, begin another folder with --start {words.output}" if is_done else f"goes on at step {trainer.step}"
        print(f"{words.output}: {told}", file=sys.stderr)
    trainer.run()
    if trainer.leads and not words.quiet:
        tokenizer = words.tokenizer or "TOKENIZER"
        print(f"{words.output}: trained. Now: python -m tercet_train export {words.output} --tokenizer {tokenizer} -o model", file=sys.stderr)


def run_sample(words) -> None:
    from .runs import open_run
    from .tokenizer import open_tokenizer
    from .train import sample

    run, tokenizer = open_run(words.run), open_tokenizer(words.tokenizer)
    _check_tokenizer(run, tokenizer.vocabulary, tokenizer.fingerprint, words.tokenizer)
    print(sample(run.model, tokenizer, words.prompt, words.tokens, temperature=words.temperature, seed=words.seed))


def _check_tokenizer(run, vocabulary: int, fingerprint: str, of) -> None:
    """Of a tokenizer or token file that is to be used with a run's model."""
    from .train import check_same_tokenizer

    if vocabulary != run.shape.vocabulary:
        raise ValueError(f"{of}: has a vocabulary of {vocabulary}, the model of {run.folder} one of {run.shape.vocabulary}: take the tokenizer that it was trained with")
    check_same_tokenizer(run.tokenizer, fingerprint, f"{of}: is not of the tokenizer that {run.folder} was trained with")


def run_export(words) -> None:
    import torch

    from .export import PACKABLE, export_model
    from .runs import open_run
    from .tokenizer import open_tokenizer

    run, tokenizer = open_run(words.run), open_tokenizer(words.tokenizer)
    _check_tokenizer(run, tokenizer.vocabulary, tokenizer.fingerprint, words.tokenizer)
    can_pack = run.shape.family in PACKABLE and run.shape.ternary and run.shape.scale == "tensor"
    form = words.form or ("packed" if can_pack else "grid")
    kind = {"f16": torch.float16, "f32": torch.float32}[words.embedding]
    facts = export_model(run.model, words.output, form=form, tokenizer=tokenizer, embedding=kind)
    print(f"{words.output}: {facts['form']}, {facts['bytes']:,} bytes of weights, {100 * facts['ternary_share']:.1f} % ternary. Now: tercet pack {words.output} -o model.tercet")


def run_report(words) -> None:
    from .data import open_tokens
    from .report import write_report
    from .runs import open_run

    run, valid = open_run(words.run), open_tokens(words.valid)
    optional = {"train": words.data and open_tokens(words.data), "twin": words.twin and open_run(words.twin)}
    for file in filter(None, (valid, optional["train"])):
        _check_tokenizer(run, file.vocabulary, file.tokenizer, file.path)
    if optional["twin"]:
        _check_tokenizer(optional["twin"], valid.vocabulary, valid.tokenizer, valid.path)
    if words.packed is not None and not words.packed.is_file():
        raise ValueError(f"{words.packed}: there is no such file; make it with `tercet pack`")
    path = write_report(words.output, run, valid, packed=words.packed, most_tokens=words.tokens, **optional)
    print(path.read_text(encoding="utf-8"), end="")


def main(arguments=None) -> int:
    prepare_cpu()
    words = make_parser().parse_args(arguments)
    try:
        globals()[f"run_{words.command}"](words)
    except FileExistsError as error:
        print(f"tercet_train: error: {error.filename}: is a file; name a folder that may be written into", file=sys.stderr)
        return 1
    except (ValueError, OSError, RuntimeError) as error:
        print(f"tercet_train: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ntercet_train: stopped; the last checkpoint is kept, the same command goes on from it", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
