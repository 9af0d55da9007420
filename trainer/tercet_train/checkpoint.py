"""checkpoint.py: everything that a step depends on, in one file that is there whole or not at all."""

import os
from pathlib import Path

import torch


def save_checkpoint(path: "str | os.PathLike", state: dict) -> None:
    """Written beside, flushed to the disk, then renamed: a kill at any moment leaves the one from before."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(path.suffix + ".part")
    with open(part, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def load_checkpoint(path: "str | os.PathLike", device: str = "cpu") -> dict:
    path = Path(path)
    try:
        state = torch.load(path, map_location=device)
    except FileNotFoundError:
        raise ValueError(f"{path}: there is no checkpoint; train first, or name the file") from None
    except Exception as error:  # noqa: BLE001 - torch raises many kinds for a damaged file
        raise ValueError(f"{path}: cannot be read as a checkpoint ({error})") from error
    if not isinstance(state, dict) or "shape" not in state or "model" not in state:
        raise ValueError(f"{path}: is no checkpoint of this package")
    return state
