"""patch.py: makes any torch model ternary in place, and back. Knows nothing of training or of files.

Works on nn.Linear and on the Conv1D of Hugging Face transformers (GPT-2), which keeps its weight as (inputs, outputs); that class is
known by its name, so transformers need not be installed. Weights become the latent floats of BitLinear unchanged.
"""

import fnmatch
import re
from dataclasses import dataclass, field
from typing import Iterable, Optional

import torch
from torch import nn

from .ternary_layer import GROUP, SCALES, BitLinear

# What is left in float unless asked for: heads and embeddings are read by every token, and rounding them costs most.
EXCLUDE = ("lm_head", "*.lm_head", "head", "*.head", "embed_out", "score", "classifier", "*.classifier")


@dataclass
class TernaryReport:
    """What ternarize() did: names with (outputs, inputs), and why the rest was left."""

    ternary: "dict[str, tuple[int, int]]" = field(default_factory=dict)
    left: "dict[str, str]" = field(default_factory=dict)
    parameters: int = 0
    ternary_parameters: int = 0

    @property
    def share(self) -> float:
        """Of all parameters, those that are ternary now."""
        return self.ternary_parameters / max(1, self.parameters)

    def __str__(self) -> str:
        lines = [
            f"{len(self.ternary)} layers are ternary: {self.ternary_parameters:,} of {self.parameters:,} parameters "
            f"({100 * self.share:.1f} %)"
        ]
        lines += [f"  {name}: {outputs} x {inputs}" for name, (outputs, inputs) in self.ternary.items()]
        if self.left:
            lines.append(f"{len(self.left)} were left as they are")
            lines += [f"  {name}: {why}" for name, why in self.left.items()]
        return "\n".join(lines)


def ternarize(
    model: nn.Module,
    include: Optional[Iterable[str]] = None,
    exclude: Iterable[str] = EXCLUDE,
    *,
    scale: str = "tensor",
    sub_norm: "Iterable[str] | bool" = False,
    product_dtype: torch.dtype = torch.float32,
) -> TernaryReport:
    """Replaces linear layers of `model` by BitLinear, in place.

    include, exclude: patterns of module names as in a shell ("*.mlp.*"), or compiled regular expressions; include None means all.
    sub_norm: whether each gets a norm of its input, or patterns of those that do.
    A weight that two modules share (a tied head) is left alone, and so is what has no room for group scales.
    Raises ValueError when nothing matches: that is a misspelt pattern.
    """
    if scale not in SCALES:
        raise ValueError(f"scale is one of {', '.join(SCALES)}, not {scale!r}")
    include = None if include is None else list(include)
    exclude = list(exclude)
    report = TernaryReport()
    owners: "dict[int, int]" = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    for name, module in list(model.named_modules()):
        if isinstance(module, BitLinear) or not _is_linear(module):
            continue
        why = _why_not(name, module, include, exclude, scale, owners)
        if why is not None:
            report.left[name] = why
            continue
        linear = _as_linear(module)
        normed = sub_norm if isinstance(sub_norm, bool) else _matches(name, sub_norm)
        made = BitLinear.from_linear(linear, scale=scale, sub_norm=normed, product_dtype=product_dtype)
        made.was_conv1d = _is_conv1d(module)
        made.conv1d_class = type(module) if made.was_conv1d else None
        made.train(module.training)
        _replace(model, name, made)
        report.ternary[name] = (linear.out_features, linear.in_features)
    if not report.ternary:
        raise ValueError(
            "no layer became ternary: nothing that is linear matches "
            f"include={include} without exclude={exclude}" + "".join(f"; {n}: {w}" for n, w in list(report.left.items())[:5])
        )
    report.parameters = sum(parameter.numel() for parameter in model.parameters())
    report.ternary_parameters = sum(outputs * inputs for outputs, inputs in report.ternary.values())
    return report


@torch.no_grad()
def unternarize(model: nn.Module, *, rounded: bool = False) -> int:
    """Puts linear layers back, and says how many. They get the latent floats, or with `rounded` what the ternary layer multiplied by
    (exactly on its grid). A sub-norm stays, before the layer, as nn.Sequential."""
    count = 0
    for name, module in list(model.named_modules()):
        if not isinstance(module, BitLinear):
            continue
        if rounded:
            module.weight.copy_(module.dequantized())
        linear = nn.Linear(module.in_features, module.out_features, module.bias is not None, device="meta")
        linear.weight, linear.bias = module.weight, module.bias
        made: nn.Module = linear
        if getattr(module, "was_conv1d", False):
            made = _as_conv1d(linear, module.conv1d_class)
        if module.norm is not None:
            made = nn.Sequential(module.norm, made)
        made.train(module.training)
        _replace(model, name, made)
        count += 1
    return count


def _is_conv1d(module: nn.Module) -> bool:
    return type(module).__name__ == "Conv1D" and hasattr(module, "nf") and getattr(module, "weight", None) is not None


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or _is_conv1d(module)


def _as_linear(module: nn.Module) -> nn.Linear:
    if isinstance(module, nn.Linear):
        return module
    inputs, outputs = module.weight.shape
    linear = nn.Linear(inputs, outputs, module.bias is not None, device="meta")
    linear.weight = nn.Parameter(module.weight.detach().t().contiguous(), requires_grad=module.weight.requires_grad)
    linear.bias = module.bias
    return linear


def _as_conv1d(linear: nn.Linear, conv1d_class: type) -> nn.Module:
    made = conv1d_class(linear.out_features, linear.in_features)
    made.weight = nn.Parameter(linear.weight.detach().t().contiguous(), requires_grad=linear.weight.requires_grad)
    if linear.bias is not None:
        made.bias = linear.bias
    return made


def _why_not(name, module, include, exclude, scale, owners) -> Optional[str]:
    if include is not None and not _matches(name, include):
        return "not included"
    if _matches(name, exclude):
        return "excluded"
    if owners.get(id(module.weight), 1) > 1:
        return "its weight is another module's too (tied)"
    inputs = module.weight.shape[0] if _is_conv1d(module) else module.in_features
    if scale == "group" and inputs % GROUP:
        return f"{inputs} inputs are no multiple of {GROUP}"
    return None


def _matches(name: str, patterns: Iterable) -> bool:
    return any(
        pattern.search(name) if isinstance(pattern, re.Pattern) else fnmatch.fnmatchcase(name, pattern) for pattern in patterns
    )


def _replace(model: nn.Module, name: str, made: nn.Module) -> None:
    if not name:
        raise ValueError("the model is one linear layer itself: put it into a module")
    *path, last = name.split(".")
    setattr(model.get_submodule(".".join(path)), last, made)
