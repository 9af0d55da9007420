"""jobs.py: which models are trained, on how much, and why. Only data: run.py runs it.

Steps are those of a run of about two hours on two cores that train 6 million parameters at 5,800 tokens a second (bfloat16 products); `--scale` of run.py makes
all of them more or less at once.
"""

from dataclasses import dataclass, field
from typing import Optional

# Figures of the published model: parameters, different tokens, passes (its notebook and paper, arXiv 2602.07374).
TERNARYLM = {"parameters": 131_921_466, "tokens": 12_900_000, "passes": 15}


@dataclass
class Job:
    """shape, settings: what differs from ModelShape and TrainSettings. start: "packed" for the packed folder of --start, or a job's name.
    tokens: different ones to train on (None: all). twin: the job of the float model to compare with. packs: whether it is exported and packed."""

    name: str
    why: str
    shape: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    start: Optional[str] = None
    tokens: Optional[int] = None
    twin: Optional[str] = None
    packs: bool = False


def parameters_of_ternarylm(vocabulary: int, width: int, layers: int) -> int:
    inner = int(width * 2.67)
    return 2 * vocabulary * width + vocabulary + layers * (4 * width * width + 3 * width * inner + 2 * width) + width


def make_jobs(scale: float = 1.0, smoke: bool = False, vocabulary: int = 4096) -> "list[Job]":
    """In the order in which they are worth having. smoke: the same jobs with models and budgets of seconds."""

    def steps(count: int) -> dict:
        count = 2 if smoke else max(2, round(count * scale))
        return {"steps": count, "warmup": min(100, max(1, count // 10)), "batch": 2 if smoke else 32}

    small = {"width": 32, "layers": 1, "heads": 2, "kv_heads": 2, "inner": 64, "context": 32} if smoke else {}
    gpt2 = small or {"width": 192, "layers": 4, "heads": 3, "kv_heads": 3, "inner": 768}
    width, layers = (32, 1) if smoke else (192, 4)
    lm = {"width": width, "layers": layers, "heads": max(1, width // 64), "kv_heads": max(1, width // 64), "inner": int(width * 2.67), "context": 32 if smoke else 256}
    # No more parameters, spent our way: a tied head, and its room given to more blocks.
    ours = small or {"width": 192, "layers": 6, "heads": 3, "kv_heads": 3, "inner": 480}
    # As many tokens seen for each parameter as TernaryLM, of which a fifteenth are different.
    seen = parameters_of_ternarylm(vocabulary, width, layers) * TERNARYLM["tokens"] * TERNARYLM["passes"] / TERNARYLM["parameters"]
    passes = {"tokens": max(200, round(seen * scale / TERNARYLM["passes"]))}
    lm_steps = steps(round(seen / (32 * 256)))
    untied = {"family": "ternarylm", "tied": False, "activation": "silu", "norm_eps": 1e-6, **lm}
    floats = {"ternary": False}
    return [
        Job("bundled", "the model that comes with Tercet: an earlier one trained on", {}, {**steps(1800), "learning_rate": 1.5e-3}, start="packed", packs=True),
        Job("cpu-ternary", "the model that two cores train from nothing", small, {**steps(700), "learning_rate": 4e-3}, twin="cpu-float", packs=True),
        Job("cpu-float", "its float twin: same blocks, same windows, same tokens", {**small, **floats}, {**steps(700), "learning_rate": 2e-3}),
        Job("gpt2-ternary", "GPT-2's shape, from training to the page", {"family": "gpt2", **gpt2}, {**steps(400), "learning_rate": 4e-3}, twin="gpt2-float", packs=True),
        Job("gpt2-float", "its float twin", {"family": "gpt2", **gpt2, **floats}, {**steps(400), "learning_rate": 2e-3}),
        Job("ternarylm", "TernaryLM's blocks scaled down, at its tokens a parameter and its passes", untied, {**lm_steps, "learning_rate": 4e-3}, twin="ternarylm-float", packs=True, **passes),
        Job("ternarylm-float", "its float twin, with a causal mask", {**untied, **floats}, {**lm_steps, "learning_rate": 2e-3}, **passes),
        Job("ternarylm-ours", "the same tokens by our recipe, with no more parameters", ours, {**lm_steps, "learning_rate": 4e-3}, twin="ternarylm-float", **passes),
    ]


def bench_settings(scale: float = 1.0, smoke: bool = False) -> "tuple[dict, dict]":
    """Shape and settings of the five tables (experiments/compare.py)."""
    shape = {"width": 128, "layers": 1 if smoke else 3, "heads": 2, "kv_heads": 2, "inner": 128 if smoke else 256, "context": 32 if smoke else 128}
    steps = 2 if smoke else max(2, round(300 * scale))
    return shape, {"steps": steps, "batch": 2 if smoke else 16, "warmup": min(50, steps // 4 + 1), "learning_rate": 6e-3, "checkpoint_every": 100, "evaluate_every": 300}
