"""ternarize() and unternarize() on plain models, on look-alikes of Hugging Face's, and on the real ones where transformers is installed."""

import importlib.util
import re
import unittest

import torch
from torch import nn

from . import small  # noqa: F401 - finds the package
from tercet_train.patch import ternarize, unternarize
from tercet_train.ternary_layer import BitLinear


class Conv1D(nn.Module):
    """What transformers call by this name: a linear layer that keeps its weight as (inputs, outputs)."""

    def __init__(self, nf, nx):
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.randn(nx, nf) / nx**0.5)
        self.bias = nn.Parameter(torch.randn(nf))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.shape[-1]), self.weight).view(*x.shape[:-1], self.nf)


class LikeGpt2(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte = nn.Embedding(50, 128)
        self.h = nn.ModuleList(
            nn.ModuleDict({"c_attn": Conv1D(384, 128), "c_fc": Conv1D(256, 128), "c_proj": Conv1D(128, 256)}) for _ in range(2)
        )
        self.lm_head = nn.Linear(128, 50, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens):
        x = self.wte(tokens)
        for block in self.h:
            x = x + block["c_attn"](x)[..., :128]
            x = x + block["c_proj"](torch.relu(block["c_fc"](x)))
        return self.lm_head(x)


def plain():
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


class Patching(unittest.TestCase):
    def test_every_linear_layer_and_back(self):
        model = plain()
        x = torch.randn(4, 128)
        before, parameters = model(x), set(map(id, model.parameters()))
        report = ternarize(model)
        self.assertEqual(report.ternary, {"0": (64, 128), "2": (32, 64), "4": (10, 32)})
        self.assertEqual(set(map(id, model.parameters())), parameters, "an optimizer would lose its parameters")
        self.assertGreater(float((model(x) - before).abs().max()), 1e-3)
        self.assertIn("3 layers are ternary: 10,560 of 10,666 parameters (99.0 %)", str(report))
        self.assertEqual(unternarize(model), 3)
        self.assertTrue(torch.equal(model(x), before))

    def test_include_and_exclude(self):
        report = ternarize(plain(), include=["0", re.compile("^[24]$")], exclude=["4"])
        self.assertEqual(list(report.ternary), ["0", "2"])
        self.assertEqual(report.left, {"4": "excluded"})
        with self.assertRaisesRegex(ValueError, r"no layer became ternary.*include=\['attn"):
            ternarize(plain(), include=["attn.*"])

    def test_group_scales_only_where_there_is_room(self):
        report = ternarize(plain(), scale="group")
        self.assertEqual(list(report.ternary), ["0"])
        self.assertEqual(report.left["2"], "64 inputs are no multiple of 128")

    def test_sub_norms_where_asked(self):
        model = plain()
        ternarize(model, sub_norm=["2"])
        self.assertEqual([layer.norm is not None for layer in model if isinstance(layer, BitLinear)], [False, True, False])
        x = torch.randn(3, 128)
        model.eval()
        unternarize(model)
        self.assertIsInstance(model[2], nn.Sequential)
        self.assertEqual(model(x).shape, (3, 10))

    def test_conv1d_by_its_name_and_a_tied_head(self):
        torch.manual_seed(1)
        model = LikeGpt2()
        tokens = torch.arange(12).view(1, 12)
        before = model(tokens)
        report = ternarize(model, exclude=[])
        self.assertEqual(report.ternary["h.0.c_attn"], (384, 128))
        self.assertEqual(len(report.ternary), 6)
        self.assertIn("tied", report.left["lm_head"])
        ternary = model(tokens)
        self.assertEqual(unternarize(model, rounded=True), 6)
        self.assertIsInstance(model.h[0]["c_attn"], Conv1D)
        self.assertEqual(len(model.h[0]["c_attn"].weight.abs().unique()), 2, "weights are not 0 or plus or minus one scale")
        # The same but for the int8 activations.
        self.assertLess(float((model(tokens) - ternary).abs().mean()), 0.05 * float(ternary.abs().mean()))
        self.assertGreater(float((model(tokens) - before).abs().mean()), 0.1 * float(before.abs().mean()))

    def test_a_patched_model_learns(self):
        torch.manual_seed(2)
        model = plain()
        ternarize(model)
        x, y = torch.randn(64, 128), torch.randint(0, 10, (64,))
        optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
        losses = []
        for _ in range(120):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        self.assertLess(losses[-1], losses[0] / 4)

    def test_a_lone_layer_is_refused(self):
        with self.assertRaisesRegex(ValueError, "put it into a module"):
            ternarize(nn.Linear(8, 8))


@unittest.skipUnless(importlib.util.find_spec("transformers"), "transformers is not installed: its own models are not tried")
class HuggingFace(unittest.TestCase):
    def test_gpt2_llama_and_qwen3(self):
        import transformers as hf

        common = dict(vocab_size=100)
        gated = dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, **common)
        models = {"gpt2": (hf.GPT2LMHeadModel(hf.GPT2Config(n_embd=64, n_layer=2, n_head=4, **common)), 8)}
        models["llama"] = (hf.LlamaForCausalLM(hf.LlamaConfig(**gated)), 14)
        # Whichever this version of transformers has.
        if hasattr(hf, "Qwen2ForCausalLM"):
            models["qwen2"] = (hf.Qwen2ForCausalLM(hf.Qwen2Config(**gated)), 14)
        if hasattr(hf, "Qwen3ForCausalLM"):
            models["qwen3"] = (hf.Qwen3ForCausalLM(hf.Qwen3Config(head_dim=16, **gated)), 14)
        tokens = torch.arange(10).view(1, 10)
        for name, (model, count) in models.items():
            model.eval()
            before = model(tokens).logits
            report = ternarize(model)
            self.assertEqual(len(report.ternary), count, name)
            loss = model(tokens, labels=tokens).loss
            loss.backward()
            self.assertFalse(torch.equal(model(tokens).logits, before), name)
            unternarize(model)
            self.assertTrue(torch.equal(model(tokens).logits, before), name)
            self.check_exclusion_and_grid(name, model, count)

    def check_exclusion_and_grid(self, name, model, count):
        """The first block left in float; the rest trained a little, then put back as linear layers that are exactly ternary."""
        tokens = torch.arange(10).view(1, 10)
        report = ternarize(model, exclude=["*.0.*", "lm_head"])
        self.assertEqual(len(report.ternary), count // 2, name)
        self.assertIn("excluded", report.left.values())
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
        losses = []
        for _ in range(12):
            loss = model(tokens, labels=tokens).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        self.assertLess(losses[-1], 0.7 * losses[0], name)
        ternary = list(report.ternary)
        unternarize(model, rounded=True)
        for layer in ternary:
            self.assertLessEqual(len(model.get_submodule(layer).weight.detach().abs().unique()), 2, (name, layer))
        self.assertIs(type(model.get_submodule(ternary[0])), type(model.get_submodule(ternary[0].replace(".1.", ".0."))), name)
