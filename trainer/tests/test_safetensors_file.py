"""safetensors without the package: what is written is read, and by the package too where it is installed."""

import importlib.util
import tempfile
import unittest
from pathlib import Path

import torch

from . import small  # noqa: F401 - finds the package
from tercet_train.safetensors_file import read_safetensors, write_safetensors


class Safetensors(unittest.TestCase):
    def setUp(self):
        kept = tempfile.TemporaryDirectory()
        self.addCleanup(kept.cleanup)
        self.path = Path(kept.name) / "model.safetensors"
        self.tensors = {
            "b": torch.randn(3, 5).to(torch.bfloat16),
            "a": torch.arange(12, dtype=torch.uint8).view(3, 4).t(),
            "c": torch.randn(2, 2, 2),
            "one": torch.tensor([0.5], dtype=torch.float16),
            "none": torch.zeros(0, 4),
        }

    def check(self, read):
        self.assertEqual(set(read), set(self.tensors))
        for name, tensor in self.tensors.items():
            self.assertEqual(read[name].dtype, tensor.dtype)
            self.assertTrue(torch.equal(read[name], tensor), name)

    def test_round_trip(self):
        size = write_safetensors(self.path, self.tensors)
        self.assertEqual(size, self.path.stat().st_size)
        self.check(read_safetensors(self.path))

    @unittest.skipUnless(importlib.util.find_spec("safetensors"), "the package safetensors is not installed: it is not asked to read ours")
    def test_the_package_reads_it(self):
        from safetensors.torch import load_file

        write_safetensors(self.path, self.tensors)
        self.check(load_file(self.path))

    def test_damage_is_named(self):
        write_safetensors(self.path, self.tensors)
        whole = self.path.read_bytes()
        for damaged in (whole[:5], whole[:60], whole[:-3], b"\xff" * 40, b""):
            self.path.write_bytes(damaged)
            with self.assertRaisesRegex(ValueError, "model.safetensors: is no whole safetensors file"):
                read_safetensors(self.path)
        with self.assertRaisesRegex(ValueError, "x: torch.complex64"):
            write_safetensors(self.path, {"x": torch.zeros(1, dtype=torch.complex64)})
