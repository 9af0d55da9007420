"""What is set for the CPU: once, before PyTorch is there, and never against the environment."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

import torch

from . import small  # noqa: F401 - finds the package
from tercet_train.machine import SKYLAKEX_NEEDS, cores, cpu_flags, describe_machine, prepare_cpu

SCRIPT = "import os; from tercet_train.machine import prepare_cpu; print(prepare_cpu(), os.environ.get('OPENBLAS_CORETYPE'))"
THREADS = "from tercet_train.machine import prepare_cpu; prepare_cpu(); import torch; print(torch.get_num_threads())"
DECIDED = ("OPENBLAS_CORETYPE", "OMP_NUM_THREADS")


def alone(script=SCRIPT, **environment):
    kept = {name: value for name, value in os.environ.items() if name not in DECIDED and not name.startswith("MALLOC_")}
    folder = Path(__file__).resolve().parents[1]
    return subprocess.run([sys.executable, "-c", script], cwd=folder, env={**kept, **environment}, check=True, capture_output=True, text=True).stdout.strip()


class Preparing(unittest.TestCase):
    def test_openblas_is_told_what_the_cpu_can_do(self):
        said = alone()
        self.assertEqual(said.endswith("] SKYLAKEX"), SKYLAKEX_NEEDS <= cpu_flags(), said)

    def test_the_environment_decides_where_it_does(self):
        self.assertEqual(alone(OPENBLAS_CORETYPE="ZEN", OMP_NUM_THREADS="1", MALLOC_TOP_PAD_="0"), "[] ZEN")

    def test_pytorch_uses_every_core_unless_told_otherwise(self):
        self.assertEqual(alone(THREADS), str(cores()))
        self.assertEqual(alone(THREADS, OMP_NUM_THREADS="1"), "1")

    def test_a_record_names_the_processor(self):
        self.assertRegex(describe_machine(), r"^\d+ threads? of \S" if not torch.cuda.is_available() else r"\S")

    def test_it_is_too_late_when_numpy_is_there(self):
        self.assertIn("numpy", sys.modules)
        self.assertNotIn("OPENBLAS_CORETYPE=SKYLAKEX", prepare_cpu())
