"""The training loop: it learns, it goes on where it was killed, parts and processes change nothing, and what it cannot do it says."""

import csv
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

import torch

from . import small
from .run_small import run_small
from tercet_train.checkpoint import load_checkpoint, save_checkpoint
from tercet_train.distill import Distillation
from tercet_train.model import build_model
from tercet_train.schedule import Schedule
from tercet_train.ternary_layer import bit_linears
from tercet_train import train as train_module
from tercet_train.train import Trainer, parts_for_cache

TRAINER = Path(__file__).resolve().parents[1]


def curve(folder):
    """What a log says of each step, but for the seconds."""
    with open(folder / "log.csv", newline="", encoding="utf-8") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def start(folder, **changes):
    """The small training as a process of its own, forked from one that has imported PyTorch already."""
    # Not of this process: what has computed with threads is not to be forked.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.run_small"])
    child = context.Process(target=run_small, args=(folder,), kwargs=changes)
    child.start()
    return child


def launch(folder, *words, processes):
    """The same through PyTorch's launcher; its output and status."""
    # PyTorch 1.13 on Python 3.11 cannot read its own default of -r and -t (an enumeration no longer lists its zero).
    streams = ["-r", "2", "-t", "1", "--log_dir", str(folder.parent / "logs")]
    # By address: the name of a container's host need not resolve.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = ["--master_addr=127.0.0.1", f"--master_port={free.getsockname()[1]}"]
    # Otherwise it looks only every five seconds whether its children are done.
    command = ["-m", "torch.distributed.run", *where, *streams, "--monitor_interval=0.1", f"--nproc_per_node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    child = subprocess.run(
        [sys.executable, "-W", "ignore", *command, "-m", "tests.run_small", str(folder), *words],
        cwd=TRAINER,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return child.stdout, child.returncode


class Training(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.root = Path(cls.kept.name)
        cls.train = small.token_file(cls.root, "train.bin", 4000, 0)
        cls.valid = small.token_file(cls.root, "valid.bin", 600, 1)

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def trainer(self, name, shape=None, **options):
        changes = options.pop("settings", {})
        return Trainer(shape or small.shape(), small.settings(**changes), self.train, self.valid, self.root / name, quiet=True, **options)

    def test_it_learns_ternary_and_float_of_both_families(self):
        for family in ("bitnet", "gpt2"):
            for ternary in (True, False):
                trainer = self.trainer(f"learn-{family}-{ternary}", small.shape(family=family, ternary=ternary), settings={"steps": 60})
                losses = [loss for _, loss in trainer.run().losses]
                self.assertLess(sum(losses[-5:]), 0.75 * sum(losses[:5]), (family, ternary))
                self.assertEqual(len(bit_linears(trainer.model)) > 0, ternary)

    def test_a_stopped_run_goes_on_along_the_same_curve_to_the_bit(self):
        whole = self.trainer("whole", settings={"ramp": 6})
        whole.run()
        self.trainer("stopped", settings={"ramp": 6}).run(until=7)
        again = self.trainer("stopped", settings={"ramp": 6})
        self.assertTrue(again.resume())
        self.assertEqual(again.step, 7)
        again.run()
        self.assertEqual(curve(self.root / "stopped"), curve(self.root / "whole"))
        for (name, ours), theirs in zip(whole.model.state_dict().items(), again.model.state_dict().values()):
            self.assertTrue(torch.equal(ours, theirs), name)

    def test_killed_at_any_step_it_goes_on_along_the_same_curve(self):
        changes = {"steps": 40, "checkpoint_every": 3}
        self.trainer("unkilled", settings=changes).run()
        folder = self.root / "killed"
        for place, step in (("before log", 8), ("after log", 20), ("in checkpoint", 30)):
            child = start(folder, **changes, killed=(place, step))
            child.join()
            self.assertEqual(child.exitcode, -signal.SIGKILL, (place, step))
            self.assertEqual(len(curve(folder)), step - (place == "before log"))
        child = start(folder, **changes)
        child.join()
        self.assertEqual(child.exitcode, 0)
        self.assertEqual(curve(folder), curve(self.root / "unkilled"))

    def test_a_torn_last_row_of_the_log_is_cut_off(self):
        self.trainer("torn").run(until=6)
        with open(self.root / "torn" / "log.csv", "a", encoding="utf-8") as file:
            file.write("2")
        again = self.trainer("torn")
        again.resume()
        self.assertEqual([row["step"] for row in curve(self.root / "torn")], [str(step) for step in range(1, 7)])

    def test_parts_of_a_batch_give_the_same_curve(self):
        whole = self.trainer("parts-1").run().losses
        for parts in (2, 4):
            cut = self.trainer(f"parts-{parts}", settings={"accumulate": parts}).run().losses
            for (_, a), (_, b) in zip(whole[:4], cut[:4]):
                self.assertAlmostEqual(a, b, places=4)

    def test_parts_are_chosen_for_the_cache_and_kept_when_it_goes_on(self):
        for windows, context, parts in ((32, 256, 8), (32, 512, 16), (4, 16, 1), (8, 4096, 8), (30, 256, 10), (7, 512, 7)):
            self.assertEqual(parts_for_cache(windows, context), parts, (windows, context))
        with mock.patch.object(train_module, "TOKENS_IN_CACHE", 32), mock.patch.object(torch.cuda, "is_available", lambda: False):
            first = self.trainer("auto")
            self.assertEqual(first.settings.accumulate, 2)
            first.run(until=5)
        self.assertEqual(self.trainer("auto-other").settings.accumulate, 1)
        again = self.trainer("auto")
        self.assertTrue(again.resume())
        self.assertEqual(again.settings.accumulate, 2, "the sums would be taken in another order")
        again.run()
        self.trainer("auto-two", settings={"accumulate": 2}).run()
        self.assertEqual(curve(self.root / "auto"), curve(self.root / "auto-two"))

    @unittest.skipUnless(torch.distributed.is_available(), "this PyTorch has no torch.distributed: two processes are not tried")
    def test_two_processes_give_the_same_curve(self):
        """Each with its share of the optimizer's state; and one process goes on from their checkpoint."""
        output, status = launch(self.root / "two", "steps=8", "shard=1", processes=2)
        self.assertEqual(status, 0, output)
        one = self.trainer("one", settings={"steps": 8})
        one.run()
        two_curve, one_curve = curve(self.root / "two"), curve(self.root / "one")
        self.assertEqual(len(two_curve), 8)
        for a, b in list(zip(one_curve, two_curve))[:4]:
            self.assertAlmostEqual(float(a["loss"]), float(b["loss"]), places=4)
        again = self.trainer("two", settings={"steps": 8})
        self.assertTrue(again.resume())
        moments, whole = (trainer.optimizer.state_dict() for trainer in (again, one))
        self.assertEqual(sorted(moments["state"]), sorted(whole["state"]), "a share of the state is missing")
        for index, state in whole["state"].items():
            self.assertLess(float((moments["state"][index]["exp_avg"] - state["exp_avg"]).abs().max()), 0.05 * float(state["exp_avg"].abs().max()) + 1e-6)

    def test_recomputing_changes_nothing_but_memory(self):
        plain, saved = self.trainer("kept").run().losses, self.trainer("recomputed", settings={"recompute": True}).run().losses
        self.assertEqual(plain, saved)

    def test_bfloat16_products_stay_near(self):
        plain = self.trainer("float32").run().losses
        half = self.trainer("bfloat16", settings={"precision": "bfloat16"}).run().losses
        self.assertNotEqual(plain, half)
        for (_, a), (_, b) in zip(plain, half):
            self.assertLess(abs(a - b), 0.1)

    def test_a_board_is_written_where_there_is_one(self):
        seen, asked = [], []

        class SummaryWriter:
            def __init__(self, folder, purge_step):
                asked.append((Path(folder).name, purge_step))

            def add_scalar(self, name, value, step):
                seen.append((name, step))

            def close(self):
                seen.append("closed")

        module = types.ModuleType("torch.utils.tensorboard")
        module.SummaryWriter = SummaryWriter
        with mock.patch.dict(sys.modules, {"torch.utils.tensorboard": module}):
            self.trainer("board", settings={"steps": 2}).run()
        self.assertEqual(asked, [("board", 1)])
        names = [name for name, _ in seen[:-1]]
        self.assertEqual((names.count("loss/train"), names.count("loss/valid"), seen[-1]), (2, 1, "closed"))

    def test_a_float_model_is_fine_tuned(self):
        teacher = self.trainer("teacher", small.shape(ternary=False), settings={"steps": 60})
        teacher.run()
        tuned = self.trainer("tuned", start=teacher.model.state_dict(), settings={"ramp": 4})
        first = tuned.run().losses[0][1]
        self.assertLess(first, 0.8 * 4.158, "it began from nothing")
        with self.assertRaisesRegex(ValueError, "another model: missing"):
            self.trainer("wrong", small.shape(family="gpt2"), start=teacher.model.state_dict())

    def test_distillation_draws_the_student_to_the_teacher(self):
        torch.manual_seed(1)
        teacher = build_model(small.shape(ternary=False))
        # A teacher that knows nothing but has opinions: without it nobody would come to these.
        with torch.no_grad():
            teacher.embed_tokens.weight.mul_(20)
        tokens = torch.randint(0, small.VOCABULARY, (8, 16))
        wanted = teacher(tokens).log_softmax(-1)
        distances = {}
        for weight in (0.0, 1.0):
            student = self.trainer(f"student-{weight}", settings={"steps": 40}, teacher=teacher, distillation=(weight, 1.0, 0.1))
            student.run()
            ours = student.model(tokens).log_softmax(-1)
            distances[weight] = float(torch.nn.functional.kl_div(ours, wanted, log_target=True, reduction="batchmean"))
        self.assertLess(distances[1.0], 0.7 * distances[0.0])
        self.assertTrue(all(parameter.grad is None for parameter in teacher.parameters()))

    def test_distillation_refuses_what_cannot_be_compared(self):
        teacher = build_model(small.shape(ternary=False, layers=1))
        with self.assertRaisesRegex(ValueError, "same width and depth"):
            self.trainer("depth", teacher=teacher, distillation=(0.5, 2.0, 1.0))
        with self.assertRaisesRegex(ValueError, "the teacher reads 8 tokens at once, the student 16"):
            self.trainer("reads", teacher=build_model(small.shape(ternary=False, context=8)))
        with self.assertRaisesRegex(ValueError, "weight of 0 to 1"):
            Distillation(teacher, weight=2.0)

    def test_it_says_what_it_cannot_do(self):
        with self.assertRaisesRegex(ValueError, "ids up to 64, the model 10"):
            self.trainer("small", small.shape(vocabulary=10))
        with self.assertRaisesRegex(ValueError, "3 equal parts"):
            self.trainer("parts", settings={"accumulate": 3})
        self.trainer("other").run(until=5)
        with self.assertRaisesRegex(ValueError, "another shape"):
            self.trainer("other", small.shape(layers=1)).resume()
        with self.assertRaisesRegex(ValueError, "made with learning_rate 0.01, now it is 0.02"):
            self.trainer("other", settings={"learning_rate": 0.02}).resume()
        self.assertFalse(self.trainer("never").resume())


class Checkpoints(unittest.TestCase):
    def test_a_damaged_one_is_refused_and_a_failed_write_keeps_the_old(self):
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "checkpoint.pt"
            save_checkpoint(path, {"shape": {}, "model": {}, "step": 1})
            with self.assertRaises(Exception):
                save_checkpoint(path, {"shape": {}, "model": {}, "step": lambda: 0})
            self.assertEqual(load_checkpoint(path)["step"], 1)
            path.write_bytes(path.read_bytes()[:100])
            with self.assertRaisesRegex(ValueError, "cannot be read as a checkpoint"):
                load_checkpoint(path)
            with self.assertRaisesRegex(ValueError, "there is no checkpoint"):
                load_checkpoint(Path(name) / "none.pt")


class Rates(unittest.TestCase):
    def test_two_stages(self):
        schedule = Schedule(steps=100, learning_rate=4.0, warmup=10, weight_decay=0.1, ramp=20)
        self.assertAlmostEqual(schedule.rate(0), 0.4)
        self.assertAlmostEqual(schedule.rate(10), 4.0 * (1 - 0.25 * 0.2))
        self.assertAlmostEqual(schedule.rate(50), 2.0)
        self.assertAlmostEqual(schedule.rate(75), 1.0)
        self.assertEqual([schedule.decay(step) for step in (0, 49, 50, 99)], [0.1, 0.1, 0.0, 0.0])
        self.assertEqual([schedule.ternary_share(step) for step in (0, 5, 20, 90)], [0.0, 0.25, 1.0, 1.0])
        self.assertEqual(Schedule(steps=10).ternary_share(0), 1.0)
