"""packed_layer.py: BitLinear for inference with its weights packed two bits each: an eighth of float16's memory. On CUDA a few tokens go through
packed_kernel.cu, which reads the packed weights alone; more tokens, and every other machine, through the reference: unpack, then multiply.

The kernel is compiled at its first use and must give the reference's numbers for a known question; if it cannot be built or does not, the reference
stays and a warning says so.
"""

import functools
import warnings
from pathlib import Path

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .ternary_layer import GROUP, BitLinear, bit_linears, quantize_activations

WORD_COLUMNS = 16
# More tokens at once pay for unpacking.
KERNEL_TOKENS_MAX = 8
SOURCE = Path(__file__).with_name("packed_kernel.cu")


def pack_words(signs: Tensor) -> Tensor:
    """-1, 0, +1 of (outputs, inputs) -> int32 (outputs, words of 16 inputs), as packed_kernel.cu says; what is missing of a word is zero weights."""
    outputs, inputs = signs.shape
    words = -(-inputs // WORD_COLUMNS)
    codes = functional.pad((signs + 1).to(torch.uint8), (0, words * WORD_COLUMNS - inputs), value=1)
    fields = codes.view(outputs, words, 4, 4)
    packed = fields[:, :, 0] | fields[:, :, 1] << 2 | fields[:, :, 2] << 4 | fields[:, :, 3] << 6
    return packed.contiguous().view(torch.int32).view(outputs, words)


def unpack_words(packed: Tensor, inputs: int) -> Tensor:
    """pack_words() turned round: float32."""
    parts = packed.contiguous().view(torch.uint8).view(packed.shape[0], packed.shape[1], 1, 4)
    fields = torch.cat([parts >> 2 * field & 3 for field in range(4)], 2)
    return fields.reshape(packed.shape[0], -1)[:, :inputs].float() - 1


class PackedBitLinear(nn.Module):
    """Gives what the BitLinear it was made of gives in eval(). No parameters: nothing to train."""

    def __init__(self, layer: BitLinear):
        super().__init__()
        self.in_features, self.out_features, self.scale, self.norm = layer.in_features, layer.out_features, layer.scale, layer.norm
        signs, scales = layer.ternary()
        self.register_buffer("packed", pack_words(signs))
        # (1, 1), (outputs, 1), or (outputs, groups).
        self.register_buffer("scales", scales.detach().squeeze(-1).float().contiguous())
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        if self.norm is not None:
            x = self.norm(x)
        integers, worth = quantize_activations(x)
        tokens = integers.reshape(-1, self.in_features)
        use = tokens.is_cuda and len(tokens) <= KERNEL_TOKENS_MAX and not torch.is_grad_enabled() and load_kernel() is not None
        product = run_kernel(load_kernel(), self.packed, tokens, worth.reshape(-1), self.scales) if use else reference(self.packed, tokens, worth.reshape(-1, 1), self.scales)
        y = product.view(*x.shape[:-1], self.out_features).to(x.dtype)
        return y if self.bias is None else y + self.bias.to(y.dtype)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, scale={self.scale}, packed"


def reference(packed: Tensor, integers: Tensor, worth: Tensor, scales: Tensor) -> Tensor:
    """What packed_kernel.cu computes, by PyTorch: integers (tokens, inputs), worth (tokens, 1) -> (tokens, outputs)."""
    signs = unpack_words(packed, integers.shape[1])
    if scales.shape[1] > 1:
        sums = torch.einsum("tgi,ogi->tog", integers.view(len(integers), -1, GROUP), signs.view(len(signs), -1, GROUP))
        return (sums * scales).sum(-1) * worth
    return functional.linear(integers, signs) * (worth * scales.view(1, -1))


def run_kernel(kernel, packed: Tensor, integers: Tensor, worth: Tensor, scales: Tensor) -> Tensor:
    padded = functional.pad(integers, (0, packed.shape[1] * WORD_COLUMNS - integers.shape[1])).to(torch.int8)
    return kernel.packed_linear(packed, padded.contiguous(), worth.float().contiguous(), scales)


@functools.lru_cache(maxsize=None)
def load_kernel():
    """The compiled kernel, or None with a warning."""
    try:
        if not torch.cuda.is_available():
            raise RuntimeError("there is no CUDA here")
        from torch.utils.cpp_extension import load

        kernel = load("tercet_packed_kernel", [str(SOURCE)], verbose=False)
        if not _answers(kernel):
            raise RuntimeError("its answer to a known question is wrong")
        return kernel
    except Exception as error:  # noqa: BLE001 - no compiler, no headers, another CUDA: each has an exception of its own
        warnings.warn(f"tercet_train: the packed CUDA kernel is not used, the slower reference is ({error})", RuntimeWarning, stacklevel=2)
        return None


def _answers(kernel) -> bool:
    random = torch.Generator().manual_seed(1)
    for inputs, groups in ((100, 1), (384, 3)):
        signs = torch.randint(-1, 2, (37, inputs), generator=random).float()
        integers = torch.randint(-127, 128, (3, inputs), generator=random).float()
        worth, scales = torch.rand(3, generator=random), torch.rand(37, groups, generator=random)
        packed, integers, worth, scales = (tensor.cuda() for tensor in (pack_words(signs), integers, worth, scales))
        want = reference(packed, integers, worth.view(-1, 1), scales)
        if not torch.allclose(run_kernel(kernel, packed, integers, worth, scales), want, rtol=1e-5, atol=1e-3):
            return False
    return True


def pack_layers(model: nn.Module) -> int:
    """Replaces every BitLinear of the model by its packed form, in place, for inference; how many. Export and training want the model as it was."""
    layers = bit_linears(model)
    for name, layer in layers:
        *path, last = name.split(".")
        setattr(model.get_submodule(".".join(path)), last, PackedBitLinear(layer))
    return len(layers)
