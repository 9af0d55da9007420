"""schedule.py: learning rate, weight decay and lambda of each step. Pure functions of the step: a resumed run has the same.

Two stages, as BitNet b1.58's note on training has them: the first with weight decay, its rate falling little; the second begins at half the rate, falls to nothing, and
has no decay.
"""

from dataclasses import dataclass


@dataclass
class Schedule:
    steps: int
    learning_rate: float = 4e-3
    # Of the second stage at its begin; None: half of the first's.
    second_rate: "float | None" = None
    second_stage: float = 0.5
    warmup: int = 100
    weight_decay: float = 0.1
    # Steps over which the forward goes from float to ternary; 0: ternary from the first.
    ramp: int = 0

    def stage(self, step: int) -> int:
        return 1 if step < self.steps * self.second_stage else 2

    def rate(self, step: int) -> float:
        border = self.steps * self.second_stage
        warm = min(1.0, (step + 1) / max(1, self.warmup))
        if self.stage(step) == 1:
            # To three quarters at the border.
            return warm * self.learning_rate * (1 - 0.25 * step / max(1.0, border))
        second = self.learning_rate / 2 if self.second_rate is None else self.second_rate
        return warm * second * max(0.0, 1 - (step - border) / max(1.0, self.steps - border))

    def decay(self, step: int) -> float:
        return self.weight_decay if self.stage(step) == 1 else 0.0

    def ternary_share(self, step: int) -> float:
        return 1.0 if self.ramp <= 0 else min(1.0, step / self.ramp)
