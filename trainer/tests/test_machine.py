"""What is set for the CPU: once, before PyTorch is there, and never against the environment."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

from . import small  # noqa: F401 - finds the package
from tercet_train.machine import SKYLAKEX_NEEDS, cpu_flags, prepare_cpu

SCRIPT = "import os; from tercet_train.machine import prepare_cpu; print(prepare_cpu(), os.environ.get('OPENBLAS_CORETYPE'))"


def alone(**environment):
    kept = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE" and not name.startswith("MALLOC_")}
    folder = Path(__file__).resolve().parents[1]
    return subprocess.run([sys.executable, "-c", SCRIPT], cwd=folder, env={**kept, **environment}, check=True, capture_output=True, text=True).stdout.strip()


class Preparing(unittest.TestCase):
    def test_openblas_is_told_what_the_cpu_can_do(self):
        said = alone()
        self.assertEqual(said.endswith("] SKYLAKEX"), SKYLAKEX_NEEDS <= cpu_flags(), said)

    def test_the_environment_decides_where_it_does(self):
        self.assertEqual(alone(OPENBLAS_CORETYPE="ZEN", MALLOC_TOP_PAD_="0"), "[] ZEN")

    def test_it_is_too_late_when_numpy_is_there(self):
        self.assertIn("numpy", sys.modules)
        self.assertNotIn("OPENBLAS_CORETYPE=SKYLAKEX", prepare_cpu())
