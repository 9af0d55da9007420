"""ternary_layer.py: the linear layer whose weights are -1, 0 or +1 times a scale, and how it is trained.

Forward is what the engine computes: activations become int8 per token, weights ternary, their product is a sum of integers that float32
holds exactly, and the scales come last. Backward goes straight through both roundings ("straight-through estimator").
Sources: BitNet b1.58 (arXiv 2402.17764) and its training note (absmean weights, absmax activations).
"""

import math
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

INT8_MAX = 127.0
# As the engine has it: the least that a row's largest activation, or the mean of weights, is taken for.
LEAST = 1e-5
GROUP = 128
SCALES = ("tensor", "row", "group")
# Sums of products of int8 and -1, 0, +1 are exact in float32 up to 2**24 / 127 inputs.
EXACT_INPUTS_MAX = 2**24 // 127


def quantize_activations(x: Tensor) -> "tuple[Tensor, Tensor]":
    """Int8 per token: x (..., inputs) -> integers as floats (..., inputs) and what one of them is worth (..., 1)."""
    x = x.float()
    largest = x.abs().amax(dim=-1, keepdim=True).clamp_min(LEAST)
    # The reciprocal first, as the engine does: x * (127 / largest), half to even.
    return torch.round(x * (INT8_MAX / largest)), largest / INT8_MAX


def grouped(weight: Tensor, scale: str) -> Tensor:
    """A view of weight (outputs, inputs) as (outputs, groups, inputs of one group); one scale each, or one for all."""
    outputs, inputs = weight.shape
    if scale == "group":
        if inputs % GROUP:
            raise ValueError(f"group scales need a multiple of {GROUP} inputs, not {inputs}: use scale='row'")
        return weight.view(outputs, inputs // GROUP, GROUP)
    return weight.view(outputs, 1, inputs)


def quantize_weights(weight: Tensor, scale: str = "tensor") -> "tuple[Tensor, Tensor]":
    """Ternary by absmean: weight (outputs, inputs) -> -1, 0, +1 of that shape, and the scales, (1, 1, 1) for one of the tensor,
    else (outputs, groups, 1)."""
    parts = grouped(weight.float(), scale)
    mean = parts.abs().mean() if scale == "tensor" else parts.abs().mean(dim=-1, keepdim=True)
    mean = mean.clamp_min(LEAST)
    if scale == "group":
        # A container keeps the scales of groups in sixteen bits.
        mean = mean.half().float()
    # The reciprocal first, as the packer does where it rounds master weights itself.
    signs = torch.round(parts * (1.0 / mean)).clamp_(-1, 1)
    return signs.reshape(weight.shape), mean.reshape(1, 1, 1) if scale == "tensor" else mean


class _TernaryProduct(torch.autograd.Function):
    """y = (integers of x . signs of W) * scales; gradients as if nothing had been rounded but with the rounded values."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, scale: str, dtype: torch.dtype) -> Tensor:
        # Within autocast the product would be rounded behind our back: `dtype` alone decides.
        with torch.autocast(x.device.type, enabled=False):
            return _TernaryProduct._forward(ctx, x, weight, scale, dtype)

    @staticmethod
    def _forward(ctx, x: Tensor, weight: Tensor, scale: str, dtype: torch.dtype) -> Tensor:
        integers, worth = quantize_activations(x)
        signs, scales = quantize_weights(weight, scale)
        dense = (grouped(signs, scale) * scales).view_as(weight) if scale == "group" else None
        ctx.dtype = dtype
        ctx.x_dtype = x.dtype
        ctx.save_for_backward(integers.to(dtype), worth, signs.to(dtype), scales, dense)
        if scale == "group":
            # Each group's integers are summed before its scale: (tokens, groups, 128) . (outputs, groups, 128).
            tokens = integers.reshape(-1, scales.shape[1], GROUP)
            sums = torch.einsum("tgi,ogi->tog", tokens, grouped(signs, scale))
            product = (sums * scales.view(1, *scales.shape[:2])).sum(-1).view(*x.shape[:-1], -1)
            return (product * worth).to(x.dtype)
        # Integers to 127 and signs are exact in bfloat16 as well; their sums are not.
        sums = functional.linear(integers.to(dtype), signs.to(dtype)).float()
        return (sums * (worth * scales.view(1, -1) if scale == "row" else worth * scales.view(()))).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        integers, worth, signs, scales, dense = ctx.saved_tensors
        dtype = ctx.dtype
        gradient = gradient.float()
        if dense is not None:
            dx = torch.matmul(gradient.to(dtype), dense.to(dtype)).float()
        elif scales.numel() == 1:
            dx = torch.matmul(gradient.to(dtype), signs).float() * scales.view(())
        else:
            dx = torch.matmul((gradient * scales.view(1, -1)).to(dtype), signs).float()
        weighted = (gradient * worth).to(dtype).reshape(-1, gradient.shape[-1])
        dweight = torch.matmul(weighted.t(), integers.reshape(-1, integers.shape[-1])).float()
        return dx.to(ctx.x_dtype), dweight, None, None


class BitLinear(nn.Module):
    """In place of nn.Linear. `weight` (outputs, inputs) are the latent floats that are trained; what runs is ternary.

    scale: "tensor", "row" or "group" (128 inputs): what shares one scale.
    sub_norm: an RMSNorm of the input, of its own, as BitNet b1.58 has before two of its products.
    ramp: 1 ternary, 0 float, between them both mixed (lambda warm-up). The training loop sets it for each step; it is no part of the
    state, so that the state has the names and shapes of the nn.Linear's.
    product_dtype: of the product's operands while training. float32 gives the engine's integers; bfloat16 is faster where the
    hardware has it, holds the operands exactly and rounds only the sums. In eval() the product is always float32's.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        scale: str = "tensor",
        sub_norm: bool = False,
        norm_eps: float = 1e-5,
        product_dtype: torch.dtype = torch.float32,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if scale not in SCALES:
            raise ValueError(f"scale is one of {', '.join(SCALES)}, not {scale!r}")
        if scale == "group" and in_features % GROUP:
            raise ValueError(f"group scales need a multiple of {GROUP} inputs, not {in_features}: use scale='row'")
        if in_features > EXACT_INPUTS_MAX:
            raise ValueError(f"{in_features} inputs: sums of more than {EXACT_INPUTS_MAX} are not exact in float32")
        self.in_features, self.out_features, self.scale = in_features, out_features, scale
        self.product_dtype = product_dtype
        self.weight = nn.Parameter(torch.empty(out_features, in_features, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(out_features, device=device, dtype=dtype)) if bias else None
        self.norm = RmsNorm(in_features, norm_eps) if sub_norm else None
        self.ramp = 1.0
        nn.init.normal_(self.weight, std=1.0 / math.sqrt(in_features))

    @classmethod
    def from_linear(cls, linear: nn.Linear, **options) -> "BitLinear":
        """Takes over weight and bias (the same parameters, so that an optimizer that knows them goes on)."""
        made = cls(linear.in_features, linear.out_features, linear.bias is not None, **options)
        made.weight = linear.weight
        made.bias = linear.bias
        return made.to(linear.weight.device)

    def forward(self, x: Tensor) -> Tensor:
        if self.norm is not None:
            x = self.norm(x)
        ramp = self.ramp
        if ramp <= 0:
            y = functional.linear(x, self.weight.to(x.dtype))
        elif ramp >= 1:
            y = _TernaryProduct.apply(x, self.weight, self.scale, self.product_dtype if self.training else torch.float32)
        else:
            y = functional.linear(self._mixed_activations(x, ramp), self._mixed_weights(ramp).to(x.dtype))
        return y if self.bias is None else y + self.bias.to(y.dtype)

    def _mixed_activations(self, x: Tensor, ramp: float) -> Tensor:
        integers, worth = quantize_activations(x.detach())
        return x + ramp * ((integers * worth).to(x.dtype) - x).detach()

    def _mixed_weights(self, ramp: float) -> Tensor:
        return self.weight + ramp * (self.dequantized() - self.weight).detach()

    @torch.no_grad()
    def ternary(self) -> "tuple[Tensor, Tensor]":
        """What is exported: signs (outputs, inputs) and scales, as quantize_weights."""
        return quantize_weights(self.weight, self.scale)

    @torch.no_grad()
    def dequantized(self) -> Tensor:
        """Signs times scales, (outputs, inputs), float32."""
        signs, scales = self.ternary()
        return (grouped(signs, self.scale) * scales).reshape(self.weight.shape)

    @torch.no_grad()
    def zeros(self) -> float:
        """Share of the weights that are 0."""
        return float((self.ternary()[0] == 0).float().mean())

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}, "
            f"scale={self.scale}, sub_norm={self.norm is not None}"
        )


class RmsNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight, over the last dimension, in float32."""

    def __init__(self, width: int, eps: float = 1e-5, gain: float = 1.0):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.full((width,), float(gain)))

    def forward(self, x: Tensor) -> Tensor:
        floats = x.float()
        normed = floats * torch.rsqrt(floats.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight
        return normed.to(x.dtype)


def set_ramp(model: nn.Module, ramp: float) -> None:
    """The share of the ternary forward in every BitLinear of the model, 0 to 1."""
    for module in model.modules():
        if isinstance(module, BitLinear):
            module.ramp = float(ramp)


def bit_linears(model: nn.Module) -> "list[tuple[str, BitLinear]]":
    return [(name, module) for name, module in model.named_modules() if isinstance(module, BitLinear)]
