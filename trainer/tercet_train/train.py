"""train.py: the training loop: pretraining, fine-tuning of a float checkpoint, distillation. One step is a pure function of the state and the
step's number, so that a run that was killed goes on along the same curve, to the bit on one machine.

Several processes (torchrun) each take their share of the windows of a step; gradients are averaged by DistributedDataParallel.
"""

import contextlib
import csv
import json
import math
import os
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Optional

import torch
from torch import nn

from .checkpoint import load_checkpoint, save_checkpoint
from .data import TokenFile, Windows
from .distill import Distillation
from .loss import cross_entropy
from .model import ModelShape, build_model
from .schedule import Schedule
from .ternary_layer import bit_linears, set_ramp

# Of TrainSettings.accumulate.
AUTO = 0
# What this many tokens need stays in a CPU's cache: steps of 6 million parameters were 1.1 to 1.4 times as fast as with 8,192 at once.
TOKENS_IN_CACHE = 1024
LOG_COLUMNS = ("step", "tokens", "loss", "valid", "rate", "gradient", "ternary", "zeros", "seconds")


@dataclass
class TrainSettings:
    steps: int = 1000
    batch: int = 32
    # Parts that a step's batch is computed in, one after the other: less memory, the same sums in another order. AUTO: what suits the device.
    accumulate: int = AUTO
    seed: int = 1
    learning_rate: float = 4e-3
    second_rate: Optional[float] = None
    second_stage: float = 0.5
    warmup: int = 100
    weight_decay: float = 0.1
    ramp: int = 0
    clip: float = 1.0
    betas: "tuple[float, float]" = (0.9, 0.95)
    # "float32", or "bfloat16" products (CUDA, or a CPU with AMX).
    precision: str = "float32"
    recompute: bool = False
    # Whether each process keeps only its share of AdamW's two moments (ZeRO's first stage).
    shard: bool = False
    checkpoint_every: int = 200
    evaluate_every: int = 200
    evaluate_tokens: int = 65536
    sample_every: int = 0

    def schedule(self) -> Schedule:
        return Schedule(
            self.steps, self.learning_rate, self.second_rate, self.second_stage, self.warmup, self.weight_decay, self.ramp
        )

    def check(self) -> None:
        for name in ("steps", "batch", "checkpoint_every", "evaluate_every", "evaluate_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        for name in ("accumulate", "seed", "warmup", "weight_decay", "ramp", "sample_every"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is not below 0, as {getattr(self, name)} is")
        for name in ("learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is above 0, not {getattr(self, name)}")
        if not 0 <= self.second_stage <= 1:
            raise ValueError(f"second_stage is a share of the steps, 0 to 1, not {self.second_stage}")
        if self.accumulate != AUTO and self.batch % self.accumulate:
            raise ValueError(f"a batch of {self.batch} does not fall into {self.accumulate} equal parts")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision is float32 or bfloat16, not {self.precision!r}")


@dataclass
class Machines:
    """Which of how many processes this one is; alone without torchrun."""

    rank: int = 0
    count: int = 1
    local: int = 0

    @staticmethod
    def join() -> "Machines":
        if "RANK" not in os.environ or not torch.distributed.is_available():
            return Machines()
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return Machines(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", 0)))


@dataclass
class Trained:
    model: nn.Module
    step: int
    losses: "list[tuple[int, float]]" = field(default_factory=list)


class Trainer:
    """run(): trains and keeps `folder` up to date: checkpoint.pt, log.csv, settings.json, samples.txt, and where tensorboard is installed its
    files under board/."""

    def __init__(
        self,
        shape: ModelShape,
        settings: TrainSettings,
        train: TokenFile,
        valid: Optional[TokenFile],
        folder: "str | os.PathLike",
        *,
        start: Optional[dict] = None,
        teacher: Optional[nn.Module] = None,
        distillation: "tuple[float, float, float]" = (0.5, 2.0, 0.0),
        tokenizer=None,
        quiet: bool = False,
    ):
        """start: parameters of a float or ternary model of this shape, to fine-tune. distillation: weight, temperature, share of hidden states."""
        settings.check()
        shape.check()
        for file in (train, valid):
            if file is not None and file.vocabulary > shape.vocabulary:
                raise ValueError(f"{file.path}: has ids up to {file.vocabulary}, the model {shape.vocabulary}")
            if file is not None:
                check_same_tokenizer(train.tokenizer, file.tokenizer, f"{file.path}: was made by another tokenizer than {train.path}")
        if tokenizer is not None:
            check_same_tokenizer(train.tokenizer, tokenizer.fingerprint, f"{tokenizer.folder}: is not the tokenizer that {train.path} was made by")
        if settings.sample_every and tokenizer is None:
            raise ValueError("samples want the tokenizer too (--tokenizer)")
        self.shape, self.settings, self.folder, self.tokenizer, self.quiet = shape, settings, Path(folder), tokenizer, quiet
        self.machines = Machines.join()
        self.device = torch.device("cuda", self.machines.local) if torch.cuda.is_available() else torch.device("cpu")
        self.chooses_parts = settings.accumulate == AUTO
        if settings.batch % (max(1, settings.accumulate) * self.machines.count):
            raise ValueError(f"a batch of {settings.batch} is not shared equally by {self.machines.count} processes")
        if self.chooses_parts:
            parts = 1 if self.device.type == "cuda" else parts_for_cache(settings.batch // self.machines.count, shape.context)
            self.settings = replace(settings, accumulate=parts)
        self.tokenizer_name = train.tokenizer
        torch.manual_seed(settings.seed)
        self.model = build_model(shape)
        if start is not None:
            load_parameters(self.model, start)
        self.model.to(self.device)
        for _, layer in bit_linears(self.model):
            layer.product_dtype = torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
        self.distillation = Distillation(teacher.to(self.device), *distillation) if teacher is not None else None
        if self.distillation is not None:
            self.distillation.check(shape)
        self.windows = Windows(train, shape.context, settings.seed)
        self.valid = Windows(valid, shape.context, 0) if valid is not None else None
        self.schedule = settings.schedule()
        self.optimizer = make_optimizer(self.model, settings, shard=settings.shard and self.machines.count > 1)
        self.step = 0
        self.seconds = 0.0
        self.board = None
        self.checkpoint_path = self.folder / "checkpoint.pt"
        self.forward = _Loss(self.model, self.distillation, settings.recompute)
        if self.machines.count > 1:
            ids = [self.machines.local] if self.device.type == "cuda" else None
            self.forward = nn.parallel.DistributedDataParallel(self.forward, device_ids=ids)

    @property
    def leads(self) -> bool:
        return self.machines.rank == 0

    def resume(self) -> bool:
        """Goes on from the folder's checkpoint; False: there is none. Refuses one of another shape or other settings."""
        if not self.checkpoint_path.exists():
            return False
        state = load_checkpoint(self.checkpoint_path, str(self.device))
        if state["shape"] != self.shape.as_dict():
            raise ValueError(f"{self.checkpoint_path}: is of another shape: take another folder, or the shape it has: {state['shape']}")
        kept, ours = state["settings"], asdict(self.settings)
        for name in ("steps", "batch", "seed", "learning_rate", "second_rate", "second_stage", "warmup", "weight_decay", "ramp", "precision"):
            if kept[name] != ours[name]:
                raise ValueError(
                    f"{self.checkpoint_path}: was made with {name} {kept[name]}, now it is {ours[name]}: the curve would be another; take another folder"
                )
        check_same_tokenizer(self.tokenizer_name, state.get("tokenizer", ""), f"{self.checkpoint_path}: is of a text by another tokenizer: take another folder")
        if self.chooses_parts and ours["batch"] % (kept["accumulate"] * self.machines.count) == 0:
            # Other parts would be other sums in the last bits.
            self.settings = replace(self.settings, accumulate=kept["accumulate"])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]
        if self.leads:
            _cut_log(self.folder / "log.csv", self.step)
        return True

    def run(self, until: Optional[int] = None) -> Trained:
        """until: a step to stop at, before the end of the schedule."""
        last = self.settings.steps if until is None else min(until, self.settings.steps)
        if self.leads:
            self.folder.mkdir(parents=True, exist_ok=True)
            facts = {"shape": self.shape.as_dict(), "settings": asdict(self.settings)}
            (self.folder / "settings.json").write_text(json.dumps(facts, indent=1) + "\n")
        self.board = _open_board(self.folder / "board", self.step) if self.leads else None
        losses = []
        while self.step < last:
            begun = time.monotonic()
            loss, norm = self.one_step()
            self.seconds += time.monotonic() - begun
            losses.append((self.step, loss))
            self.step += 1
            self._after_step(loss, norm, self.step == last)
        if self.board is not None:
            self.board.close()
        return Trained(self.model, self.step, losses)

    def one_step(self) -> "tuple[float, float]":
        settings, step = self.settings, self.step
        self.model.train()
        set_ramp(self.model, self.schedule.ternary_share(step))
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(step)
            group["weight_decay"] = self.schedule.decay(step) if group["decays"] else 0.0
        self.optimizer.zero_grad(set_to_none=True)
        parts = settings.accumulate
        size = settings.batch // (parts * self.machines.count)
        total = torch.zeros((), device=self.device)
        for part in range(parts):
            first = (part * self.machines.count + self.machines.rank) * size
            tokens, targets = self.windows.batch(step, settings.batch, first, size)
            tokens, targets = tokens.to(self.device), targets.to(self.device)
            waits = self.machines.count > 1 and part < parts - 1
            with self.forward.no_sync() if waits else contextlib.nullcontext(), self._autocast():
                loss = self.forward(tokens, targets) / parts
            loss.backward()
            total += loss.detach()
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip))
        if not math.isfinite(norm):
            raise RuntimeError(f"step {step}: the gradient is not finite; the checkpoint before it is kept: lower the learning rate")
        self.optimizer.step()
        if self.machines.count > 1:
            torch.distributed.all_reduce(total)
            total /= self.machines.count
        return float(total), norm

    def _autocast(self):
        if self.settings.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _after_step(self, loss: float, norm: float, is_last: bool) -> None:
        settings, step = self.settings, self.step
        valid = None
        if self.valid is not None and (step == settings.steps or step % settings.evaluate_every == 0):
            valid = evaluate(self.model, self.valid, settings.batch // settings.accumulate, settings.evaluate_tokens)
        checkpoints = is_last or step % settings.checkpoint_every == 0
        if checkpoints and hasattr(self.optimizer, "consolidate_state_dict"):
            # All processes send their share of the moments to the one that writes.
            self.optimizer.consolidate_state_dict(to=0)
        if not self.leads:
            return
        zeros = [layer.zeros() for _, layer in bit_linears(self.model)] if valid is not None else []
        _log(
            self.folder / "log.csv",
            {
                "step": step,
                "tokens": step * settings.batch * self.shape.context,
                "loss": f"{loss:.6f}",
                "valid": "" if valid is None else f"{valid:.6f}",
                "rate": f"{self.schedule.rate(step - 1):.3e}",
                "gradient": f"{norm:.4f}",
                "ternary": f"{self.schedule.ternary_share(step - 1):.3f}",
                "zeros": " ".join(f"{share:.4f}" for share in zeros),
                "seconds": f"{self.seconds:.1f}",
            },
        )
        if self.board is not None:
            self.board.add_scalar("loss/train", loss, step)
            self.board.add_scalar("rate", self.schedule.rate(step - 1), step)
            if valid is not None:
                self.board.add_scalar("loss/valid", valid, step)
        if not self.quiet:
            self._say(loss, valid, checkpoints)
        if settings.sample_every and self.tokenizer is not None and (step == settings.steps or step % settings.sample_every == 0):
            with open(self.folder / "samples.txt", "a", encoding="utf-8") as file:
                file.write(f"--- step {step}\n{sample(self.model, self.tokenizer, 'Once upon a time', 80, seed=1)}\n")
        if checkpoints:
            save_checkpoint(self.checkpoint_path, self.state())

    def state(self) -> dict:
        return {
            "shape": self.shape.as_dict(),
            "settings": asdict(self.settings),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "tokenizer": self.tokenizer_name,
        }

    def _say(self, loss: float, valid: Optional[float], stays: bool) -> None:
        """A line that the next one overwrites; one that stays where held-out text was looked at or a checkpoint written (elsewhere than in a terminal: only those)."""
        done = self.step / self.settings.steps
        left = self.seconds / self.step * (self.settings.steps - self.step)
        rate = self.step * self.settings.batch * self.shape.context / max(1e-9, self.seconds)
        line = f"[{'#' * int(24 * done):<24}] step {self.step}/{self.settings.steps}  loss {loss:.4f}  {rate:,.0f} tokens/s  {left / 60:.1f} min left"
        if valid is not None or stays:
            print(f"\r{line}" + ("" if valid is None else f"  valid {valid:.4f}"), file=sys.stderr, flush=True)
        elif sys.stderr.isatty():
            print(f"\r{line}", end="", file=sys.stderr, flush=True)


class _Loss(nn.Module):
    """The loss of one batch as a module, which is what DistributedDataParallel wraps."""

    def __init__(self, model: nn.Module, distillation: Optional[Distillation], recompute: bool):
        super().__init__()
        self.model = model
        # Not a submodule: the teacher's parameters are nobody's to average.
        self.__dict__["distillation"] = distillation
        if recompute:
            _recompute_blocks(model)

    def forward(self, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        states = self.model.hidden(tokens)
        if self.distillation is not None:
            return self.distillation(self.model, states, tokens, targets)
        return cross_entropy(self.model, states[-1], targets) / targets.numel()


def _recompute_blocks(model: nn.Module) -> None:
    """Gradient checkpointing: a block's inner values are computed again on the way back instead of being kept."""
    from torch.utils.checkpoint import checkpoint

    for block in getattr(model, "layers", None) or model.h:
        inner = block.forward
        block.forward = lambda *inputs, inner=inner: checkpoint(inner, *inputs, use_reentrant=False)


def make_optimizer(model: nn.Module, settings: TrainSettings, *, shard: bool = False) -> torch.optim.Optimizer:
    """AdamW; only matrices decay. shard: over the processes, the same steps and the same checkpoints."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    others = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    groups = [{"params": matrices, "decays": True}, {"params": others, "decays": False}]
    options = {"lr": settings.learning_rate, "betas": settings.betas, "weight_decay": 0.0}
    if shard:
        from torch.distributed.optim import ZeroRedundancyOptimizer

        return ZeroRedundancyOptimizer(groups, torch.optim.AdamW, **options)
    return torch.optim.AdamW(groups, **options)


def parts_for_cache(windows: int, context: int) -> int:
    """Into how many equal parts so many windows of a step are best cut on a CPU: the fewest of which none is over TOKENS_IN_CACHE, else one window each."""
    return next((parts for parts in range(1, windows) if windows % parts == 0 and windows // parts * context <= TOKENS_IN_CACHE), windows)


def check_same_tokenizer(one: str, other: str, otherwise: str) -> None:
    """Fingerprints; "" is not known, and fits every other."""
    if one and other and one != other:
        raise ValueError(f"{otherwise}; its ids stand for other words")


def load_parameters(model: nn.Module, state: dict) -> None:
    """Of a checkpoint of the same shape, ternary or float: the latent weights of one are the weights of the other."""
    ours = model.state_dict()
    for name, value in state.items():
        if name in ours and ours[name].shape != value.shape:
            raise ValueError(f"the parameters are of another shape: {name} is {tuple(value.shape)}, here {tuple(ours[name].shape)}: give the shape of the model to begin with")
    missing, unexpected = model.load_state_dict(state, strict=False)
    if missing or unexpected:
        raise ValueError(f"the parameters are of another model: missing {missing[:3]}, unknown {unexpected[:3]}")


@torch.no_grad()
def evaluate(model: nn.Module, windows: Windows, batch: int, most_tokens: Optional[int] = None, *, spread: bool = False) -> float:
    """Mean loss in nats a token over windows beside each other, ternary layers all ternary. most_tokens: of the file's begin, or with `spread` from all over it."""
    was_training = model.training
    model.eval()
    ramps = [(layer, layer.ramp) for _, layer in bit_linears(model)]
    set_ramp(model, 1.0)
    device = next(model.parameters()).device
    total = count = 0
    for tokens, targets in (windows.spread if spread else windows.in_order)(batch, most_tokens):
        total += float(cross_entropy(model, model.hidden(tokens.to(device))[-1], targets.to(device)))
        count += targets.numel()
    for layer, ramp in ramps:
        layer.ramp = ramp
    model.train(was_training)
    return total / max(1, count)


@torch.no_grad()
def sample(model: nn.Module, tokenizer, prompt: str, tokens: int, *, temperature: float = 0.7, top_p: float = 0.95, seed: int = 1) -> str:
    """Text after a prompt, for the eye; the engine is what samples in earnest. temperature 0: the likeliest token each time."""
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    random = torch.Generator().manual_seed(seed)
    ids = tokenizer.encode(prompt)
    for _ in range(tokens):
        window = torch.tensor([ids[-model.shape.context :]], device=device)
        logits = model(window)[0, -1].float().cpu()
        if temperature <= 0:
            ids.append(int(logits.argmax()))
            continue
        chances = (logits / temperature).softmax(-1)
        ordered, order = chances.sort(descending=True)
        ordered[ordered.cumsum(0) - ordered > top_p] = 0
        ids.append(int(order[torch.multinomial(ordered, 1, generator=random)]))
    model.train(was_training)
    return tokenizer.decode(ids)


def _open_board(folder: Path, step: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    # What a killed run wrote after its checkpoint comes again.
    return SummaryWriter(str(folder), purge_step=step + 1)


def _log(path: Path, row: dict) -> None:
    is_new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, LOG_COLUMNS)
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def _cut_log(path: Path, step: int) -> None:
    """Rows after the checkpoint are of steps that come again."""
    if not path.exists():
        return
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    # A kill may have cut the last row short.
    kept = [row for row in rows if None not in row.values() and row["step"].isdigit() and int(row["step"]) <= step]
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, LOG_COLUMNS)
        writer.writeheader()
        writer.writerows(kept)
    os.replace(part, path)
