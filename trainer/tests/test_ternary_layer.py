"""The ternary layer against its definition, written out slowly in integers and float64."""

import unittest

import torch
from torch import nn

from . import small  # noqa: F401 - finds the package
from tercet_train.ternary_layer import GROUP, LEAST, BitLinear, RmsNorm, bit_linears, quantize_activations, quantize_weights, set_ramp


def slow_product(x, weight, scale):
    """Each output as an integer sum a group, then the scales: float64 but for the quantities the engine rounds to float32."""
    outputs, inputs = weight.shape
    rows = []
    for row in x.reshape(-1, inputs):
        largest = max(float(row.abs().max()), LEAST)
        factor = torch.tensor(127.0) / torch.tensor(largest)
        codes = torch.round(row * factor).to(torch.int64)
        total = torch.zeros(outputs, dtype=torch.float64)
        span = GROUP if scale == "group" else inputs
        for first in range(0, inputs, span):
            part = weight[:, first : first + span]
            mean = part.abs().mean(1, keepdim=True) if scale != "tensor" else weight.abs().mean().view(1, 1)
            mean = mean.half().float() if scale == "group" else mean
            signs = torch.round(part * (1 / mean)).clamp(-1, 1).to(torch.int64)
            total += (signs @ codes[first : first + span]).double() * mean.double().view(-1)
        rows.append(total * (largest / 127))
    return torch.stack(rows).view(*x.shape[:-1], outputs)


class Quantizing(unittest.TestCase):
    def test_activations_are_integers_that_reach_127(self):
        x = torch.tensor([[0.5, -1.0, 0.25, 0.0], [0.0, 0.0, 0.0, 0.0]])
        codes, worth = quantize_activations(x)
        # 63.5 goes to the even 64; a row of zeros divides by the least.
        self.assertEqual(codes.tolist(), [[64, -127, 32, 0], [0, 0, 0, 0]])
        self.assertAlmostEqual(float(worth[0]), 1 / 127, places=9)
        self.assertAlmostEqual(float(worth[1]) * 127, LEAST, places=9)

    def test_weights_are_rounded_by_the_mean_of_their_span(self):
        weight = torch.cat([torch.full((1, GROUP), 1.0), torch.full((1, GROUP), 0.1)], 1)
        weight[0, 0] = -1.0
        signs, scales = quantize_weights(weight, "tensor")
        # 0.1 is less than half of the mean 0.55; each group by its own mean keeps it.
        self.assertEqual(signs[0, :2].tolist(), [-1, 1])
        self.assertEqual(float(signs[0, GROUP:].abs().sum()), 0)
        signs, scales = quantize_weights(weight, "group")
        self.assertEqual(float(signs.abs().sum()), 2 * GROUP)
        self.assertEqual(scales.view(-1).tolist(), [1.0, float(torch.tensor(0.1).half())])

    def test_scales_of_groups_are_halves(self):
        _, scales = quantize_weights(torch.randn(8, 2 * GROUP), "group")
        self.assertTrue(torch.equal(scales, scales.half().float()))

    def test_zeros_stay_zeros(self):
        for scale in ("tensor", "row", "group"):
            signs, _ = quantize_weights(torch.zeros(2, GROUP), scale)
            self.assertEqual(float(signs.abs().sum()), 0)


class Layer(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)

    def test_forward_is_the_integer_sum_times_the_scales(self):
        for scale in ("tensor", "row", "group"):
            for bias in (False, True):
                layer = BitLinear(2 * GROUP, 24, bias, scale=scale)
                if bias:
                    nn.init.normal_(layer.bias)
                x = 5 * torch.randn(3, 4, 2 * GROUP)
                want = slow_product(x, layer.weight.detach(), scale)
                want = want + layer.bias.detach() if bias else want
                got = layer(x).detach().double()
                self.assertLess(float(((got - want).abs() / want.abs().max()).max()), 3e-7, scale)

    def test_bfloat16_products_only_in_training(self):
        layer = BitLinear(256, 16, False, product_dtype=torch.bfloat16)
        exact = BitLinear.from_linear(layer_as_linear(layer))
        x = torch.randn(2, 256)
        self.assertFalse(torch.equal(layer(x), exact(x)))
        self.assertLess(float((layer(x) - exact(x)).abs().max() / exact(x).abs().max()), 0.01)
        layer.eval()
        self.assertTrue(torch.equal(layer(x), exact(x)))

    def test_autocast_does_not_touch_an_exact_product(self):
        layer = BitLinear(256, 16, False)
        x = torch.randn(2, 256)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = layer(x)
        self.assertTrue(torch.equal(inside, layer(x)))

    def test_gradients_go_straight_through_with_the_rounded_values(self):
        for scale in ("tensor", "row", "group"):
            layer = BitLinear(2 * GROUP, 24, True, scale=scale)
            x = torch.randn(3, 2 * GROUP, requires_grad=True)
            out = torch.randn(3, 24)
            (layer(x) * out).sum().backward()
            codes, worth = quantize_activations(x.detach())
            torch.testing.assert_close(x.grad, out @ layer.dequantized(), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(layer.weight.grad, out.t() @ (codes * worth), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(layer.bias.grad, out.sum(0))

    def test_ramp_goes_from_the_float_layer_to_the_ternary_one(self):
        layer = BitLinear(64, 16)
        x = torch.randn(5, 64)
        ternary = layer(x)
        set_ramp(nn.Sequential(layer), 0)
        torch.testing.assert_close(layer(x), nn.functional.linear(x, layer.weight, layer.bias))
        distances = []
        for ramp in (0.25, 0.5, 0.75, 0.999999):
            set_ramp(nn.Sequential(layer), ramp)
            distances.append(float((layer(x) - ternary).abs().mean()))
        self.assertEqual(distances, sorted(distances, reverse=True))
        self.assertLess(distances[-1], 1e-4)
        layer(x).sum().backward()
        self.assertGreater(float(layer.weight.grad.abs().sum()), 0)

    def test_sub_norm_comes_before_the_product(self):
        layer = BitLinear(64, 16, False, sub_norm=True)
        bare = BitLinear.from_linear(layer_as_linear(layer))
        x = 7 * torch.randn(2, 64)
        self.assertTrue(torch.equal(layer(x), bare(RmsNorm(64)(x))))
        self.assertEqual([name for name, _ in bit_linears(nn.Sequential(layer))], ["0"])

    def test_state_is_that_of_a_linear_layer(self):
        linear = nn.Linear(64, 16)
        layer = BitLinear(64, 16)
        layer.load_state_dict(linear.state_dict())
        self.assertEqual(set(layer.state_dict()), set(linear.state_dict()))
        taken = BitLinear.from_linear(linear)
        self.assertIs(taken.weight, linear.weight)

    def test_refuses_what_cannot_be(self):
        for wrong, words in (
            (lambda: BitLinear(64, 16, scale="column"), "tensor, row, group"),
            (lambda: BitLinear(100, 16, scale="group"), "multiple of 128"),
            (lambda: BitLinear(200_000, 2), "not exact"),
        ):
            with self.assertRaisesRegex(ValueError, words):
                wrong()


def layer_as_linear(layer):
    linear = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None)
    linear.weight, linear.bias = layer.weight, layer.bias
    return linear
