"""loss.py: the head and the cross entropy. Logits are by far the largest tensors of a small model with a large vocabulary (8,192 tokens of 50,257 are 1.6 GB, three times over on the way back),
so where they are large they are made for a part of the tokens at a time, and made again on the way back.
"""

from typing import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

# Logits at once: 256 MB in float32. What fits is computed whole, as ever.
MOST_LOGITS = 1 << 26


def in_parts(loss: "Callable[..., Tensor]", vocabulary: int, *rows: Tensor) -> Tensor:
    """The sum of loss(*part of the rows) over parts of at most MOST_LOGITS logits. rows: tensors (tokens, ...) that are cut alike. loss: gives a sum over its tokens,
    not a mean, and makes the logits itself."""
    tokens = len(rows[0])
    most = max(1, MOST_LOGITS // vocabulary)
    if tokens <= most:
        return loss(*rows)
    # Without gradients nothing is kept anyway.
    kept = [checkpoint(loss, *part, use_reentrant=False) if torch.is_grad_enabled() else loss(*part) for part in zip(*(row.split(most) for row in rows))]
    return torch.stack(kept).sum()


def cross_entropy(model: nn.Module, states: Tensor, targets: Tensor) -> Tensor:
    """Sum over all tokens, nats. states (batch, tokens, width): what goes into the head; targets (batch, tokens)."""

    def of_part(states: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model.head(states).float(), targets, reduction="sum")

    return in_parts(of_part, model.shape.vocabulary, states.flatten(0, 1), targets.reshape(-1))
