"""distill.py: what a float teacher adds to the loss of a ternary student: its probabilities, and where the widths agree its hidden states."""

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .loss import in_parts
from .model import ModelShape


class Distillation(nn.Module):
    """loss = (1 - weight) * cross entropy + weight * T^2 * KL(teacher || student at temperature T) + hidden * mean squared error of the
    normalised hidden states. Source of the first: Hinton et al., arXiv 1503.02531."""

    def __init__(self, teacher: nn.Module, weight: float = 0.5, temperature: float = 2.0, hidden: float = 0.0):
        super().__init__()
        if not 0 <= weight <= 1 or temperature <= 0 or hidden < 0:
            raise ValueError("distillation wants a weight of 0 to 1, a temperature above 0, and no negative share of hidden states")
        self.teacher = teacher.eval().requires_grad_(False)
        self.weight, self.temperature, self.hidden = weight, temperature, hidden

    def check(self, shape: ModelShape) -> None:
        """Of the student; what cannot be compared is said before anything is computed."""
        teacher = self.teacher.shape
        if teacher.ternary:
            raise ValueError("the teacher is ternary itself: distil from a float model (train one with --float)")
        if teacher.vocabulary != shape.vocabulary:
            raise ValueError(f"the teacher has a vocabulary of {teacher.vocabulary}, the student one of {shape.vocabulary}: both must come from one tokenizer")
        if teacher.context < shape.context:
            raise ValueError(f"the teacher reads {teacher.context} tokens at once, the student {shape.context}: give --context {teacher.context}")
        if self.hidden > 0 and (teacher.width, teacher.layers) != (shape.width, shape.layers):
            raise ValueError("hidden states can be compared only with a teacher of the same width and depth: set hidden to 0")

    def forward(self, model: nn.Module, student_states: "list[Tensor]", tokens: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            states = self.teacher.hidden(tokens)

        def of_part(ours: Tensor, theirs: Tensor, targets: Tensor) -> Tensor:
            logits = model.head(ours).float()
            with torch.no_grad():
                wanted = functional.log_softmax(self.teacher.head(theirs).float() / self.temperature, -1)
            entropy = functional.cross_entropy(logits, targets, reduction="sum")
            divergence = functional.kl_div(functional.log_softmax(logits / self.temperature, -1), wanted, reduction="sum", log_target=True)
            return (1 - self.weight) * entropy + self.weight * self.temperature**2 * divergence

        rows = student_states[-1].flatten(0, 1), states[-1].flatten(0, 1), targets.reshape(-1)
        loss = in_parts(of_part, model.shape.vocabulary, *rows) / targets.numel()
        if self.hidden > 0:
            pairs = list(zip(student_states[1:], states[1:]))
            loss = loss + self.hidden * sum(functional.mse_loss(_normed(a), _normed(b)) for a, b in pairs) / len(pairs)
        return loss


def _normed(x: Tensor) -> Tensor:
    return functional.layer_norm(x.float(), x.shape[-1:])
