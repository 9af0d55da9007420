"""safetensors_file.py: writes and reads .safetensors without the package of that name, which Debian lacks. The format is eight bytes of
length, a JSON header, the bytes. Source: huggingface/safetensors, README.
"""

import json
import os
import struct
from pathlib import Path

import numpy
import torch

_NAMES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int32: "I32",
    torch.int64: "I64",
}
_TYPES = {name: kind for kind, name in _NAMES.items()}


def write_safetensors(path: "str | os.PathLike", tensors: "dict[str, torch.Tensor]") -> int:
    """Returns the bytes written. The file appears whole or not at all."""
    path = Path(path)
    header: dict = {"__metadata__": {"format": "pt"}}
    offset = 0
    bodies = []
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        if tensor.dtype not in _NAMES:
            raise ValueError(f"{name}: {tensor.dtype} has no place in a safetensors file")
        body = tensor.view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, offset + len(body)]}
        offset += len(body)
        bodies.append(body)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % 64)
    part = path.with_suffix(path.suffix + ".part")
    with open(part, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for body in bodies:
            file.write(body)
    os.replace(part, path)
    return 8 + len(text) + offset


def read_safetensors(path: "str | os.PathLike") -> "dict[str, torch.Tensor]":
    path = Path(path)
    with open(path, "rb") as file:
        try:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
            begin = 8 + length
            tensors = {}
            for name, facts in header.items():
                if name == "__metadata__":
                    continue
                first, last = facts["data_offsets"]
                file.seek(begin + first)
                body = numpy.frombuffer(bytearray(file.read(last - first)), dtype=numpy.uint8)
                tensors[name] = torch.from_numpy(body).view(_TYPES[facts["dtype"]]).view(facts["shape"])
        except (struct.error, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"{path}: is no whole safetensors file ({error})") from error
    return tensors
