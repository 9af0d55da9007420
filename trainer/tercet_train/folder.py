"""folder.py: a packed Hugging Face folder (BitNet or Llama, as export.py writes them) back as a model to train on: the way to go on from a
model that was published without its latent weights.

The latents of such a model are gone; what is put in their place are the ternary weights themselves, made larger by the share that is not zero, so that
their absmean is the scale again: the model begins as exactly the one that was published, and learns from there.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from .model import ModelShape
from .safetensors_file import read_safetensors

FAMILIES = {"BitNetForCausalLM": "bitnet", "LlamaForCausalLM": "llama"}


def open_folder(folder: "str | Path") -> "tuple[ModelShape, dict[str, Tensor]]":
    """The shape, and parameters by the names of build_model()'s."""
    folder = Path(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        shape = _shape(config)
        quantization = config.get("quantization_config", {})
    except (OSError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"{folder}: is no folder of a model to go on from ({error!r})") from error
    if quantization.get("linear_class") != "autobitlinear" or quantization.get("quantization_mode") != "offline":
        raise ValueError(f"{folder}: only packed weights with multiplied scales (autobitlinear, offline) are read, not {quantization or 'plain ones'}")
    tensors = read_safetensors(folder / "model.safetensors")
    state = {}
    for name, tensor in tensors.items():
        if name.endswith(".weight_scale"):
            continue
        scale = tensors.get(f"{name}_scale")
        state[name[len("model.") :] if name.startswith("model.") else name] = tensor.float() if scale is None else latent(unpack_rows(tensor), scale)
    return shape, state


def unpack_rows(packed: Tensor) -> Tensor:
    """Bytes (outputs / 4, inputs) -> -1, 0, +1 of (outputs, inputs); export.pack_rows() turned round."""
    quarters = [(packed >> 2 * quarter & 3).to(torch.float32) - 1 for quarter in range(4)]
    signs = torch.cat(quarters)
    if float(signs.max()) > 1:
        raise ValueError("a packed weight holds the code 3, which stands for nothing")
    return signs


def latent(signs: Tensor, scale: Tensor) -> Tensor:
    """Floats whose absmean is the scale and that round to these signs."""
    share = max(float(signs.abs().mean()), 1.0 / signs.numel())
    return signs * (scale.float().view(()) / share)


def _shape(config: dict) -> ModelShape:
    return ModelShape(
        family=FAMILIES[config["architectures"][0]],
        vocabulary=int(config["vocab_size"]),
        width=int(config["hidden_size"]),
        layers=int(config["num_hidden_layers"]),
        heads=int(config["num_attention_heads"]),
        kv_heads=int(config.get("num_key_value_heads", config["num_attention_heads"])),
        inner=int(config["intermediate_size"]),
        context=int(config["max_position_embeddings"]),
        rope_theta=float(config.get("rope_theta", 10000.0)),
        norm_eps=float(config.get("rms_norm_eps", 1e-5)),
        tied=bool(config.get("tie_word_embeddings", False)),
        activation=config["hidden_act"],
    )
