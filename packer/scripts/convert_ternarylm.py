#!/usr/bin/env python3
"""convert_ternarylm.py: a TernaryLM `.pt` (torch.save of a state_dict) -> a folder that `tercet pack` reads.

    python3 packer/scripts/convert_ternarylm.py bitnet_132m_epoch_15.pt -o ternarylm [--heads 12] [--context 512]

Writes model.safetensors and config.json; put uncased BERT's tokenizer.json beside them, then
`tercet pack ternarylm -o ternarylm.tercet --quantize absmean`. Needs Python 3 only: no torch, no numpy. A pickle can run any
program, so this one is read with a list of the few names that a state_dict needs; anything else in it is refused.
"""
import argparse
import json
import math
import pickle
import shutil
import struct
import sys
import zipfile
from pathlib import Path

TYPES = {"FloatStorage": ("F32", 4), "HalfStorage": ("F16", 2), "BFloat16Storage": ("BF16", 2)}
WRAPPERS = ("model_state_dict", "state_dict", "model")
IGNORED = (".rope.inv_freq",)


class Refused(Exception):
    """Says why a file cannot be converted."""


class Tensor:
    """Where a tensor lies: the record of a storage, an offset in it, a shape."""

    def __init__(self, storage, offset, shape, stride):
        self.kind, self.record = storage
        self.offset, self.shape = offset, list(shape)
        expected, step = [], 1
        for size in reversed(self.shape):
            expected.insert(0, step)
            step *= size
        if any(have != want and size != 1 for have, want, size in zip(stride, expected, self.shape)):
            raise Refused("a tensor is not stored row after row: save the state_dict with contiguous tensors")

    @property
    def elements(self):
        return math.prod(self.shape)


def rebuild_tensor(storage, offset, shape, stride, *_):
    return Tensor(storage, offset, shape, stride)


def rebuild_parameter(tensor, *_):
    return tensor


class Reader(pickle.Unpickler):
    """The names that a state_dict needs, and no other."""

    ALLOWED = {
        ("collections", "OrderedDict"): dict,
        ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
        **{("torch", name): name for name in TYPES},
    }

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise Refused(f"the file asks for {module}.{name}, which no state_dict needs")
        return self.ALLOWED[module, name]

    def persistent_load(self, pid):
        if not (isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage" and pid[1] in TYPES):
            raise Refused("the file holds a storage of an unknown kind")
        return pid[1], str(pid[2])


def read_state(archive):
    """(name -> Tensor, folder inside the archive)."""
    pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise Refused("the file is no archive of torch.save")
    with archive.open(pickles[0]) as stream:
        state = Reader(stream).load()
    for key in WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or "token_emb.weight" not in state:
        raise Refused("there is no state_dict of a TernaryLM in it: token_emb.weight is missing")
    tensors = {name: tensor for name, tensor in state.items() if not name.endswith(IGNORED)}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise Refused(f"{name} is no tensor")
    return tensors, pickles[0][: -len("data.pkl")]


def make_config(tensors, heads, context):
    vocabulary, hidden = tensors["token_emb.weight"].shape
    layers = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("blocks."))
    if hidden % heads:
        raise Refused(f"{heads} heads do not divide a width of {hidden}: say --heads")
    return {
        "model_type": "ternarylm", "vocab_size": vocabulary, "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": tensors["blocks.0.mlp.gate_proj.weight"].shape[0],
        "max_position_embeddings": context, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": False,
    }


def write_safetensors(archive, folder, tensors, path):
    header, at = {}, 0
    for name, tensor in sorted(tensors.items()):
        dtype, size = TYPES[tensor.kind]
        header[name] = {"dtype": dtype, "shape": tensor.shape, "data_offsets": [at, at + tensor.elements * size]}
        at += tensor.elements * size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name, tensor in sorted(tensors.items()):
            size = TYPES[tensor.kind][1]
            with archive.open(f"{folder}data/{tensor.record}") as stream:
                stream.read(tensor.offset * size)
                data = stream.read(tensor.elements * size)
            if len(data) != tensor.elements * size:
                raise Refused(f"the data of {name} is cut short")
            out.write(data)


def convert(source, destination, heads, context):
    destination = Path(destination)
    destination.mkdir(parents=True, exist_ok=True)
    partial = destination / "model.safetensors.partial"
    try:
        with zipfile.ZipFile(source) as archive:
            tensors, folder = read_state(archive)
            config = make_config(tensors, heads, context)
            write_safetensors(archive, folder, tensors, partial)
    except (zipfile.BadZipFile, pickle.UnpicklingError, EOFError, KeyError, ValueError, IndexError, AttributeError,
            TypeError) as error:
        raise Refused(f"{source} is damaged or something else: {error}") from error
    finally:
        if partial.exists() and sys.exc_info()[0] is not None:
            partial.unlink()
    shutil.move(partial, destination / "model.safetensors")
    (destination / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="the .pt file")
    parser.add_argument("-o", "--output", required=True, help="the folder to write")
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--context", type=int, default=512, help="tokens that it was trained for")
    arguments = parser.parse_args()
    try:
        convert(arguments.source, arguments.output, arguments.heads, arguments.context)
    except (Refused, OSError) as error:
        print(f"convert_ternarylm: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
