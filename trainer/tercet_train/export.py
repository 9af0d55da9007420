"""export.py: a trained model as a Hugging Face folder that `tercet pack` reads: ternary weights packed four in a byte (BitNet, Llama), on their grid
(every family, row and group scales), or the bfloat16 master weights to go on training with. Formats: docs of transformers' BitNet
integration; CONTAINER.md says what is kept.
"""

import json
from pathlib import Path
from typing import Optional

import torch
from torch import Tensor, nn

from .model import BitNetModel, Gpt2Model
from .safetensors_file import write_safetensors
from .ternary_layer import BitLinear, bit_linears

FORMS = ("packed", "grid", "master")
# Of the families whose folders may hold packed weights.
PACKABLE = ("bitnet", "llama")
CLASSES = {"bitnet": "BitNetForCausalLM", "llama": "LlamaForCausalLM", "ternarylm": "TernaryLM"}
# TernaryLM's notebook has names of its own.
TERNARYLM_NAMES = (
    ("embed_tokens.", "token_emb."),
    ("layers.", "blocks."),
    ("input_layernorm", "norm1"),
    ("post_attention_layernorm", "norm2"),
    ("self_attn.o_proj", "attn.out_proj"),
    ("self_attn.", "attn."),
    ("lm_head.", "head."),
)


def export_model(model: "BitNetModel | Gpt2Model", folder: "str | Path", *, form: str = "packed", tokenizer=None, embedding: torch.dtype = torch.float16) -> dict:
    """Writes config.json, generation_config.json, model.safetensors and the tokenizer into `folder`.

    form: "packed" two bits a weight (one scale a tensor; BitNet and Llama); "grid" floats that are exactly -1, 0, +1 times the scale, for every
    scale and family; "master" the latent weights in bfloat16, which the packer rounds again (`--quantize absmean`).
    embedding: what embeddings and an untied head are kept as. Returns facts: form, bytes, ternary share.
    """
    if form not in FORMS:
        raise ValueError(f"form is one of {', '.join(FORMS)}, not {form!r}")
    layers = dict(bit_linears(model))
    if form == "packed" and model.shape.family not in PACKABLE:
        raise ValueError(f"folders of {model.shape.family} have no packed form of their own: export with form='grid'")
    if form == "packed" and any(layer.scale != "tensor" for layer in layers.values()):
        raise ValueError("the packed form holds one scale a tensor: export row and group scales with form='grid'")
    if form == "packed" and not layers:
        raise ValueError("no layer of this model is ternary: export it with form='grid'")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors: "dict[str, Tensor]" = {}
    owned = set()
    for name, layer in layers.items():
        owned.update(f"{name}.{parameter}" for parameter, _ in layer.named_parameters())
        _add_layer(tensors, _name(model, name), layer, form, isinstance(model, Gpt2Model))
    for name, parameter in model.named_parameters():
        if name not in owned:
            _add_other(tensors, model, name, parameter, embedding)
    bytes_written = write_safetensors(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps(_config(model, form, bool(layers), tokenizer), indent=1) + "\n")
    generation = {"do_sample": True, "temperature": 0.7, "top_p": 0.95}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
    if tokenizer is not None:
        tokenizer.copy_to(folder)
    ternary = sum(layer.weight.numel() for layer in layers.values())
    total = sum(parameter.numel() for parameter in model.parameters())
    return {"form": form, "bytes": bytes_written, "ternary_share": ternary / total}


def pack_rows(signs: Tensor) -> Tensor:
    """-1, 0, +1 of (outputs, inputs) as bytes (outputs / 4, inputs): bits 2i, 2i+1 of byte (r, c) hold row i * outputs / 4 + r, plus one."""
    rows = -(-signs.shape[0] // 4)
    padded = torch.zeros(4 * rows, signs.shape[1], dtype=torch.uint8)
    padded[: signs.shape[0]] = (signs + 1).to(torch.uint8).cpu()
    quarters = padded.view(4, rows, -1)
    return quarters[0] | quarters[1] << 2 | quarters[2] << 4 | quarters[3] << 6


def _name(model: nn.Module, name: str) -> str:
    """Of a parameter or layer in a folder of the model's family."""
    family = model.shape.family
    if family == "ternarylm":
        for ours, theirs in TERNARYLM_NAMES:
            name = name.replace(ours, theirs)
        return name
    if name.startswith("lm_head"):
        return name
    return ("transformer." if family == "gpt2" else "model.") + name


def _add_layer(tensors: dict, name: str, layer: BitLinear, form: str, transposed: bool) -> None:
    if layer.norm is not None:
        raise ValueError(f"{name}: a sub-norm of a layer of its own has no name in this family's folders")
    if form == "packed":
        signs, scales = layer.ternary()
        tensors[f"{name}.weight"] = pack_rows(signs)
        tensors[f"{name}.weight_scale"] = scales.view(1).float()
    else:
        weight = layer.weight.detach().to(torch.bfloat16) if form == "master" else layer.dequantized().float()
        tensors[f"{name}.weight"] = weight.t() if transposed else weight
    if layer.bias is not None:
        tensors[f"{name}.bias"] = layer.bias.detach().float()


def _add_other(tensors: dict, model: nn.Module, name: str, parameter: Tensor, embedding: torch.dtype) -> None:
    value = parameter.detach().float()
    if name.split(".")[0] in ("embed_tokens", "wte", "wpe", "lm_head") and value.dim() == 2:
        value = value.to(embedding)
    elif isinstance(model, Gpt2Model) and value.dim() == 2:
        # A float twin: Conv1D keeps its weights as (inputs, outputs).
        value = value.t()
    tensors[_name(model, name)] = value


def _config(model: nn.Module, form: str, is_ternary: bool, tokenizer) -> dict:
    shape = model.shape
    beginning = {} if tokenizer is None else {"bos_token_id": tokenizer.beginning, "eos_token_id": tokenizer.beginning}
    if isinstance(model, Gpt2Model):
        return {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "activation_function": "gelu_new",
            "n_embd": shape.width,
            "n_layer": shape.layers,
            "n_head": shape.heads,
            "n_inner": shape.inner,
            "n_positions": shape.context,
            "n_ctx": shape.context,
            "layer_norm_epsilon": shape.norm_eps,
            "vocab_size": shape.vocabulary,
            "tie_word_embeddings": shape.tied,
            "torch_dtype": "float32",
            **beginning,
        }
    made = {
        "architectures": [CLASSES[shape.family]],
        "model_type": shape.family,
        "hidden_act": shape.activation,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "num_hidden_layers": shape.layers,
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "vocab_size": shape.vocabulary,
        "tie_word_embeddings": shape.tied,
        "attention_bias": False,
        "torch_dtype": "bfloat16" if form == "master" else "float32",
        **beginning,
    }
    quantization = _quantization(form, is_ternary) if shape.family in PACKABLE else None
    if quantization is not None:
        made["quantization_config"] = quantization
    return made


def _quantization(form: str, is_ternary: bool) -> Optional[dict]:
    if form == "grid" or not is_ternary:
        return None
    mode = "offline" if form == "packed" else "online"
    return {
        "quant_method": "bitnet",
        # weight_scale multiplies.
        "linear_class": "autobitlinear",
        "quantization_mode": mode,
        "modules_to_not_convert": ["lm_head"],
    }
