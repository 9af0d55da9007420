"""distill.py: what a float teacher adds to the loss of a ternary student: its probabilities, and where the widths agree its hidden states."""

import torch
import torch.nn.functional as functional
from torch import Tensor, nn


class Distillation(nn.Module):
    """loss = (1 - weight) * cross entropy + weight * T^2 * KL(teacher || student at temperature T) + hidden * mean squared error of the
    normalised hidden states. Source of the first: Hinton et al., arXiv 1503.02531."""

    def __init__(self, teacher: nn.Module, weight: float = 0.5, temperature: float = 2.0, hidden: float = 0.0):
        super().__init__()
        if not 0 <= weight <= 1 or temperature <= 0 or hidden < 0:
            raise ValueError("distillation wants a weight of 0 to 1, a temperature above 0, and no negative share of hidden states")
        self.teacher = teacher.eval().requires_grad_(False)
        self.weight, self.temperature, self.hidden = weight, temperature, hidden

    def forward(self, student_states: "list[Tensor]", logits: Tensor, tokens: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            states = self.teacher.hidden(tokens)
            wanted = self.teacher.head(states[-1]).float()
        flat = logits.float().flatten(0, 1)
        loss = (1 - self.weight) * functional.cross_entropy(flat, targets.reshape(-1))
        ours = functional.log_softmax(flat / self.temperature, -1)
        theirs = functional.log_softmax(wanted.flatten(0, 1) / self.temperature, -1)
        loss = loss + self.weight * self.temperature**2 * functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)
        if self.hidden > 0:
            if len(states) != len(student_states) or states[-1].shape != student_states[-1].shape:
                raise ValueError("hidden states can be compared only with a teacher of the same width and depth: set hidden to 0")
            pairs = list(zip(student_states[1:], states[1:]))
            loss = loss + self.hidden * sum(functional.mse_loss(_normed(a), _normed(b)) for a, b in pairs) / len(pairs)
        return loss


def _normed(x: Tensor) -> Tensor:
    return functional.layer_norm(x.float(), x.shape[-1:])
