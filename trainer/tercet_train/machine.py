"""machine.py: makes the CPU's side of PyTorch as fast as it gets before it is loaded. Called by the command lines, never by the library: what it sets
holds for the whole process. Changes no result but the order in which float sums are taken.
"""

import ctypes
import os
import sys

# Of mallopt(3).
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
# What OpenBLAS's SkylakeX kernels use.
SKYLAKEX_NEEDS = {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"}


def prepare_cpu() -> "list[str]":
    """Says what was set. Does nothing that the environment has decided already, and nothing on other systems than Linux."""
    made = []
    if "OPENBLAS_CORETYPE" not in os.environ and "torch" not in sys.modules and "numpy" not in sys.modules and SKYLAKEX_NEEDS <= cpu_flags():
        # Debian's OpenBLAS takes a CPU that is newer than itself for an old one: 110 GFLOP/s a core with this, 6 to 45 without.
        os.environ["OPENBLAS_CORETYPE"] = "SKYLAKEX"
        made.append("OPENBLAS_CORETYPE=SKYLAKEX")
    if "OMP_NUM_THREADS" not in os.environ and "torch" not in sys.modules and hasattr(os, "sched_getaffinity"):
        # PyTorch takes every second CPU for the other half of a core, also where there are no halves, and would leave half of the machine idle.
        os.environ["OMP_NUM_THREADS"] = str(cores())
        made.append(f"OMP_NUM_THREADS={cores()}")
    if not any(name.startswith("MALLOC_") for name in os.environ) and _keep_pages():
        made.append("freed memory is kept")
    return made


def cores() -> int:
    """Cores that this process may use; two CPUs that share a core count once."""
    allowed = os.sched_getaffinity(0)
    found = set()
    for cpu in allowed:
        try:
            with open(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", encoding="ascii") as file:
                found.add(file.read().strip())
        except OSError:
            found.add(str(cpu))
    return len(found)


def describe_machine() -> str:
    """For a record of what a training cost."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = {line.partition(":")[2].strip() for line in file if line.startswith("model name")}
    except OSError:
        names = set()
    count = torch.get_num_threads()
    return f"{count} thread{'s' if count > 1 else ''} of {' and '.join(sorted(names)) or 'a CPU'}"


def cpu_flags() -> "set[str]":
    """As the kernel lists them; empty where there is no such list."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("flags"):
                    return set(line.partition(":")[2].split())
    except OSError:
        pass
    return set()


def _keep_pages() -> bool:
    """Every tensor of a step is freed and taken again; given back to the system each time, its pages are zeroed and mapped anew."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, 2**28))
    return all([mallopt(name, value) == 1 for name, value in settings])
