"""packed_speed.py: the packed CUDA kernel beside cuBLAS in float16, one token at a time, in turn in one run: python3 -m experiments.packed_speed. Needs a GPU.

A stack of matrices that does not fit the GPU's caches is gone through, as a model's would be; milliseconds of both, medians, and their ratio.
"""

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch  # noqa: E402
from tercet_train.packed_layer import load_kernel, pack_words, run_kernel  # noqa: E402

STACK_BYTES = 512 << 20
ROUNDS = 20


def milliseconds(work) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


@torch.no_grad()
def compare(outputs: int, inputs: int) -> "tuple[float, float]":
    """Milliseconds a matrix-vector product: float16 by cuBLAS, packed by the kernel."""
    kernel = load_kernel()
    count = max(1, STACK_BYTES // (outputs * inputs // 4))
    packed = [pack_words(torch.randint(-1, 2, (outputs, inputs), device="cuda").float()) for _ in range(count)]
    floats = [torch.randn(outputs, inputs, device="cuda", dtype=torch.float16) for _ in range(max(1, count // 8))]
    x = torch.randint(-127, 128, (1, inputs), device="cuda").float()
    worth, scales, half = torch.ones(1, device="cuda"), torch.ones(1, 1, device="cuda"), x.half()
    taken = ([], [])
    for _ in range(ROUNDS + 3):
        taken[0].append(milliseconds(lambda: [torch.matmul(half, weight.t()) for weight in floats]) / len(floats))
        taken[1].append(milliseconds(lambda: [run_kernel(kernel, weight, x, worth, scales) for weight in packed]) / len(packed))
    return tuple(statistics.median(times[3:]) for times in taken)


def main() -> int:
    if not torch.cuda.is_available():
        print("experiments.packed_speed: no GPU here: the packed CUDA kernel is neither run nor measured", file=sys.stderr)
        return 1
    if load_kernel() is None:
        return 1
    print(f"{torch.cuda.get_device_name()}, one token\n\n| outputs x inputs | cuBLAS float16, ms | packed, ms | ratio |\n|---|---|---|---|")
    for outputs, inputs in ((2560, 2560), (6912, 2560), (2560, 6912), (4096, 4096), (14336, 4096)):
        dense, packed = compare(outputs, inputs)
        print(f"| {outputs} x {inputs} | {dense:.4f} | {packed:.4f} | {dense / packed:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
