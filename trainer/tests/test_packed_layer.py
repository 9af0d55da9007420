"""Packed layers give what BitLinear gives, and the CUDA kernel's arithmetic, compiled here as plain C++, gives it too. Its launch is tried where there is a GPU."""

import copy
import ctypes
import shutil
import subprocess
import tempfile
import unittest
import warnings
from pathlib import Path

import torch

from . import small
from tercet_train.model import build_model
from tercet_train.packed_layer import SOURCE, PackedBitLinear, load_kernel, pack_layers, pack_words, reference, unpack_words
from tercet_train.ternary_layer import BitLinear, quantize_activations

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
SHAPES = ((48, 40, "tensor"), (33, 100, "row"), (20, 384, "group"), (5, 128, "group"), (70, 1040, "tensor"))


def layer_of(outputs, inputs, scale):
    torch.manual_seed(outputs)
    return BitLinear(inputs, outputs, scale=scale).eval()


class Packing(unittest.TestCase):
    def test_words_are_as_the_kernel_says(self):
        signs = torch.randint(-1, 2, (7, 37), generator=torch.Generator().manual_seed(2)).float()
        packed = pack_words(signs)
        self.assertEqual((packed.shape, packed.dtype), ((7, 3), torch.int32))
        for row in range(7):
            for column in range(48):
                word, within = int(packed[row, column // 16]), column % 16
                code = word >> 8 * (within % 4) + 2 * (within // 4) & 3
                self.assertEqual(code - 1, int(signs[row, column]) if column < 37 else 0)
        self.assertTrue(torch.equal(unpack_words(packed, 37), signs))

    def test_a_packed_layer_gives_the_same_numbers(self):
        for shape in SHAPES:
            layer = layer_of(*shape)
            with torch.no_grad():
                x = torch.randn(2, 3, layer.in_features)
                torch.testing.assert_close(PackedBitLinear(layer)(x), layer(x), rtol=1e-6, atol=1e-6)

    def test_a_whole_model(self):
        for family in ("bitnet", "gpt2"):
            model = build_model(small.shape(family=family)).eval()
            packed = copy.deepcopy(model)
            self.assertEqual(pack_layers(packed), 14 if family == "bitnet" else 8)
            tokens = torch.arange(16).view(1, 16)
            with torch.no_grad():
                torch.testing.assert_close(packed(tokens), model(tokens), rtol=1e-5, atol=1e-5)
            self.assertLess(sum(p.numel() for p in packed.parameters()), sum(p.numel() for p in model.parameters()) / 2)


@unittest.skipUnless(COMPILER, "no C++ compiler: the CUDA kernel's arithmetic is not tried")
class Arithmetic(unittest.TestCase):
    def test_lanes_of_the_kernel_on_the_cpu(self):
        with tempfile.TemporaryDirectory() as name:
            made = Path(name) / "lanes.so"
            subprocess.run([COMPILER, "-x", "c++", "-std=c++14", "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-shared", "-fPIC", str(SOURCE), "-o", str(made)], check=True)
            lanes = ctypes.CDLL(str(made)).packed_linear_lanes
        for shape in SHAPES:
            packed = PackedBitLinear(layer_of(*shape))
            integers, worth = quantize_activations(torch.randn(3, packed.in_features))
            # The largest activations there are, too.
            integers[0] = 127 * torch.sign(integers[0])
            words = packed.packed.shape[1]
            x = torch.zeros(3, words * 16, dtype=torch.int8)
            x[:, : packed.in_features] = integers.to(torch.int8)
            y = torch.full((3, packed.out_features), float("nan"))
            scale_rows, groups = packed.scales.shape
            tensors = (packed.packed, x, worth.contiguous(), packed.scales, y)
            lanes(*(ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors), 3, packed.out_features, words, scale_rows, groups)
            want = reference(packed.packed, integers, worth, packed.scales)
            if groups == 1:
                self.assertTrue(torch.equal(y, want), shape)
            else:
                torch.testing.assert_close(y, want, rtol=1e-5, atol=1e-4)


class Kernel(unittest.TestCase):
    @unittest.skipIf(torch.cuda.is_available(), "there is a GPU")
    def test_what_cannot_be_built_is_said_and_done_without(self):
        load_kernel.cache_clear()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            self.assertIsNone(load_kernel())
        self.assertIn("the packed CUDA kernel is not used", str(said[-1].message))

    @unittest.skipUnless(torch.cuda.is_available(), "no GPU: the packed CUDA kernel is not started")
    def test_on_a_gpu(self):
        self.assertIsNotNone(load_kernel())
        for shape in SHAPES:
            layer = layer_of(*shape).cuda()
            x = torch.randn(2, layer.in_features, device="cuda")
            with torch.no_grad():
                torch.testing.assert_close(PackedBitLinear(layer)(x), layer(x), rtol=1e-5, atol=1e-4)
