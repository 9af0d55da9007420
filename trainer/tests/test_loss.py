"""The loss in parts is the loss, its gradients are the same, and there are never more logits than are allowed."""

import unittest
from unittest import mock

import torch

from . import small
from tercet_train import loss
from tercet_train.distill import Distillation
from tercet_train.model import build_model


class Parts(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(4)
        self.tokens = torch.randint(0, small.VOCABULARY, (3, 16))
        self.targets = torch.randint(0, small.VOCABULARY, (3, 16))
        self.model = build_model(small.shape())
        self.rows = []
        head = self.model.head
        self.model.head = lambda x: self.rows.append(len(x)) or head(x)

    def compute(self, most_tokens, distillation=None):
        """Loss, gradients, and how many tokens went through the head at a time."""
        self.rows.clear()
        self.model.zero_grad()
        with mock.patch.object(loss, "MOST_LOGITS", most_tokens * small.VOCABULARY):
            states = self.model.hidden(self.tokens)
            if distillation is None:
                value = loss.cross_entropy(self.model, states[-1], self.targets)
            else:
                value = distillation(self.model, states, self.tokens, self.targets)
            value.backward()
        return float(value.detach()), [parameter.grad.clone() for parameter in self.model.parameters()], list(self.rows)

    def check(self, distillation=None):
        value, gradients, rows = self.compute(48, distillation)
        self.assertEqual(rows, [48])
        in_parts, of_parts, rows = self.compute(20, distillation)
        # Each once forward, and once more on the way back.
        self.assertEqual(sorted(rows), [8, 8, 20, 20, 20, 20])
        self.assertAlmostEqual(in_parts, value, places=4)
        for one, other in zip(of_parts, gradients):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        return value

    def test_cross_entropy(self):
        value = self.check()
        with torch.no_grad():
            logits = self.model(self.tokens)
        want = -logits.log_softmax(-1).gather(-1, self.targets[..., None]).sum()
        self.assertAlmostEqual(value, float(want), places=3)

    def test_distillation(self):
        torch.manual_seed(5)
        teacher = build_model(small.shape(ternary=False))
        value = self.check(Distillation(teacher, 0.3, 2.0, 0.0))
        with torch.no_grad():
            ours, theirs = self.model(self.tokens), teacher(self.tokens)
        entropy = -ours.log_softmax(-1).gather(-1, self.targets[..., None]).mean()
        soft = (theirs / 2).softmax(-1)
        divergence = (soft * (soft.log() - (ours / 2).log_softmax(-1))).sum(-1).mean()
        self.assertAlmostEqual(value, float(0.7 * entropy + 0.3 * 4 * divergence), places=4)

    def test_hidden_states_add_their_distance(self):
        teacher = build_model(small.shape(ternary=False))
        without, _, _ = self.compute(48, Distillation(teacher, 0.5, 1.0, 0.0))
        with_them, _, _ = self.compute(48, Distillation(teacher, 0.5, 1.0, 2.0))
        with torch.no_grad():
            pairs = list(zip(self.model.hidden(self.tokens), teacher.hidden(self.tokens)))[1:]
        norm = lambda x: (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        want = sum(float((norm(a) - norm(b)).pow(2).mean()) for a, b in pairs) / len(pairs)
        self.assertAlmostEqual(with_them - without, 2 * want, places=4)

    def test_without_gradients_nothing_is_computed_twice(self):
        with torch.no_grad(), mock.patch.object(loss, "MOST_LOGITS", 20 * small.VOCABULARY):
            loss.cross_entropy(self.model, self.model.hidden(self.tokens)[-1], self.targets)
        self.assertEqual(self.rows, [20, 20, 8])
