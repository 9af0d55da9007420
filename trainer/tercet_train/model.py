"""model.py: the models that this package trains from nothing: the BitNet b1.58 block, Llama's (TernaryLM's is one), and GPT-2's. Shapes in the comments are
(batch, tokens, ...). Names of parameters are those of the Hugging Face models, so that export.py only renames nothing and packs.
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .ternary_layer import BitLinear, RmsNorm


FAMILIES = ("bitnet", "llama", "ternarylm", "gpt2")


@dataclass
class ModelShape:
    """What a model is made of. family "bitnet": RMSNorm, rotary positions, gated squared ReLU, sub-norms, no biases, tied head.
    family "llama": the same without sub-norms (and in others' models with SiLU); family "ternarylm": such a one with an untied head that has a bias.
    family "gpt2": LayerNorm, learned positions, GELU (tanh), biases, tied head."""

    family: str = "bitnet"
    vocabulary: int = 4096
    width: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 4
    inner: int = 768
    context: int = 256
    rope_theta: float = 10000.0
    norm_eps: float = 1e-5
    tied: bool = True
    # "silu" is Llama's; squared ReLU was better by 0.19 nats a token in pilots.
    activation: str = "relu2"
    # Float twins have the same blocks with float products.
    ternary: bool = True
    scale: str = "tensor"
    init_std: float = 0.02
    # Sub-norm gains begin here: at 1 the first steps are lost (0.5 nats a token in pilots).
    sub_norm_gain: float = 0.1

    def check(self) -> None:
        for name in ("vocabulary", "width", "layers", "heads", "kv_heads", "inner", "context"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        if self.family not in FAMILIES:
            raise ValueError(f"family is one of {', '.join(FAMILIES)}, not {self.family!r}")
        if self.family == "ternarylm" and self.tied:
            raise ValueError("ternarylm has a head of its own: tied is for other families")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"{self.heads} heads do not share a width of {self.width} in even parts")
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.kv_heads} key heads do not serve {self.heads} heads")
        if self.family == "gpt2" and self.kv_heads != self.heads:
            raise ValueError("gpt2 has as many key heads as heads")
        if self.activation not in ("relu2", "silu"):
            raise ValueError(f"activation is relu2 or silu, not {self.activation!r}")

    def as_dict(self) -> dict:
        return asdict(self)


def _linear(shape: ModelShape, inputs: int, outputs: int, std: float, bias: bool = False) -> nn.Module:
    made = (
        BitLinear(inputs, outputs, bias, scale=shape.scale) if shape.ternary else nn.Linear(inputs, outputs, bias)
    )
    nn.init.normal_(made.weight, std=std)
    if bias:
        nn.init.zeros_(made.bias)
    return made


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention: q (batch, heads, tokens, head), k and v with as many or fewer heads."""
    if k.shape[1] != q.shape[1]:
        repeat = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
    if hasattr(functional, "scaled_dot_product_attention"):
        return functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    tokens = q.shape[2]
    scores = torch.matmul(q, k.transpose(-1, -2)).float() / math.sqrt(q.shape[-1])
    later = torch.ones(tokens, tokens, dtype=torch.bool, device=q.device).triu(1)
    return torch.matmul(scores.masked_fill(later, float("-inf")).softmax(-1).to(v.dtype), v)


def _split(x: Tensor, heads: int) -> Tensor:
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def _merge(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


class BitNetAttention(nn.Module):
    def __init__(self, shape: ModelShape):
        super().__init__()
        head = shape.width // shape.heads
        std, std_out = shape.init_std, shape.init_std / math.sqrt(2 * shape.layers)
        self.heads, self.kv_heads = shape.heads, shape.kv_heads
        self.q_proj = _linear(shape, shape.width, shape.width, std)
        self.k_proj = _linear(shape, shape.width, shape.kv_heads * head, std)
        self.v_proj = _linear(shape, shape.width, shape.kv_heads * head, std)
        self.o_proj = _linear(shape, shape.width, shape.width, std_out)
        self.attn_sub_norm = RmsNorm(shape.width, shape.norm_eps, shape.sub_norm_gain) if shape.family == "bitnet" else nn.Identity()

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        q, k, v = _split(self.q_proj(x), self.heads), _split(self.k_proj(x), self.kv_heads), _split(self.v_proj(x), self.kv_heads)
        y = _attend(_rotate(q, cos, sin), _rotate(k, cos, sin), v)
        return self.o_proj(self.attn_sub_norm(_merge(y)))


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, halves as Hugging Face pairs them; x (batch, heads, tokens, head), cos and sin (tokens, head)."""
    half = x.shape[-1] // 2
    floats = x.float()
    turned = torch.cat([-floats[..., half:], floats[..., :half]], -1)
    return (floats * cos + turned * sin).to(x.dtype)


class BitNetFeedForward(nn.Module):
    def __init__(self, shape: ModelShape):
        super().__init__()
        std, std_out = shape.init_std, shape.init_std / math.sqrt(2 * shape.layers)
        self.squared = shape.activation == "relu2"
        self.gate_proj = _linear(shape, shape.width, shape.inner, std)
        self.up_proj = _linear(shape, shape.width, shape.inner, std)
        self.down_proj = _linear(shape, shape.inner, shape.width, std_out)
        self.ffn_sub_norm = RmsNorm(shape.inner, shape.norm_eps, shape.sub_norm_gain) if shape.family == "bitnet" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        gate = self.gate_proj(x)
        gate = functional.relu(gate).square() if self.squared else functional.silu(gate)
        return self.down_proj(self.ffn_sub_norm(gate * self.up_proj(x)))


class BitNetBlock(nn.Module):
    def __init__(self, shape: ModelShape):
        super().__init__()
        self.input_layernorm = RmsNorm(shape.width, shape.norm_eps)
        self.self_attn = BitNetAttention(shape)
        self.post_attention_layernorm = RmsNorm(shape.width, shape.norm_eps)
        self.mlp = BitNetFeedForward(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class BitNetModel(nn.Module):
    """Of every family but gpt2: tokens (batch, tokens) -> logits (batch, tokens, vocabulary)."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        shape.check()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.width)
        nn.init.normal_(self.embed_tokens.weight, std=shape.init_std)
        self.layers = nn.ModuleList(BitNetBlock(shape) for _ in range(shape.layers))
        self.norm = RmsNorm(shape.width, shape.norm_eps)
        self.lm_head = None if shape.tied else nn.Linear(shape.width, shape.vocabulary, bias=shape.family == "ternarylm")
        head = shape.width // shape.heads
        frequencies = shape.rope_theta ** (-torch.arange(0, head, 2).float() / head)
        angles = torch.outer(torch.arange(shape.context).float(), frequencies).repeat(1, 2)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def hidden(self, tokens: Tensor) -> "list[Tensor]":
        """What goes into each block, and last what goes into the head: layers + 1 of (batch, tokens, width)."""
        count = tokens.shape[1]
        x = self.embed_tokens(tokens)
        states = []
        for block in self.layers:
            states.append(x)
            x = block(x, self.cos[:count], self.sin[:count])
        return [*states, self.norm(x)]

    def head(self, x: Tensor) -> Tensor:
        if self.lm_head is None:
            return functional.linear(x, self.embed_tokens.weight.to(x.dtype))
        bias = None if self.lm_head.bias is None else self.lm_head.bias.to(x.dtype)
        return functional.linear(x, self.lm_head.weight.to(x.dtype), bias)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.hidden(tokens)[-1])


class Gpt2Attention(nn.Module):
    def __init__(self, shape: ModelShape):
        super().__init__()
        self.heads = shape.heads
        self.c_attn = _linear(shape, shape.width, 3 * shape.width, shape.init_std, True)
        self.c_proj = _linear(shape, shape.width, shape.width, shape.init_std / math.sqrt(2 * shape.layers), True)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.c_attn(x).chunk(3, dim=-1)
        return self.c_proj(_merge(_attend(_split(q, self.heads), _split(k, self.heads), _split(v, self.heads))))


class Gpt2FeedForward(nn.Module):
    def __init__(self, shape: ModelShape):
        super().__init__()
        self.c_fc = _linear(shape, shape.width, shape.inner, shape.init_std, True)
        self.c_proj = _linear(shape, shape.inner, shape.width, shape.init_std / math.sqrt(2 * shape.layers), True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.c_fc(x)
        # GPT-2's own approximation ("gelu_new"), written out because torch 1.13 has it and 1.11 has not.
        return self.c_proj(0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x.pow(3)))))


class Gpt2Block(nn.Module):
    def __init__(self, shape: ModelShape):
        super().__init__()
        self.ln_1 = nn.LayerNorm(shape.width, shape.norm_eps)
        self.attn = Gpt2Attention(shape)
        self.ln_2 = nn.LayerNorm(shape.width, shape.norm_eps)
        self.mlp = Gpt2FeedForward(shape)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt2Model(nn.Module):
    """tokens (batch, tokens) -> logits (batch, tokens, vocabulary)."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        shape.check()
        self.shape = shape
        self.wte = nn.Embedding(shape.vocabulary, shape.width)
        self.wpe = nn.Embedding(shape.context, shape.width)
        nn.init.normal_(self.wte.weight, std=shape.init_std)
        nn.init.normal_(self.wpe.weight, std=shape.init_std / 2)
        self.h = nn.ModuleList(Gpt2Block(shape) for _ in range(shape.layers))
        self.ln_f = nn.LayerNorm(shape.width, shape.norm_eps)
        self.lm_head = None if shape.tied else nn.Linear(shape.width, shape.vocabulary, bias=False)

    def hidden(self, tokens: Tensor) -> "list[Tensor]":
        """As BitNetModel.hidden."""
        x = self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]
        states = []
        for block in self.h:
            states.append(x)
            x = block(x)
        return [*states, self.ln_f(x)]

    def head(self, x: Tensor) -> Tensor:
        weight = self.wte.weight if self.lm_head is None else self.lm_head.weight
        return functional.linear(x, weight.to(x.dtype))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.hidden(tokens)[-1])


def build_model(shape: ModelShape) -> "BitNetModel | Gpt2Model":
    return Gpt2Model(shape) if shape.family == "gpt2" else BitNetModel(shape)
