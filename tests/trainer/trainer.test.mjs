// trainer.test.mjs - runs the Python package's own tests where PyTorch is
// installed; says so where it is not. What the engine computes is what the trainer trained: the export test compares them.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nativeBuild, root } from "../../scripts/paths.mjs";

const trainer = join(root, "trainer");

/** The first Python that has PyTorch; Debian's knows Debian's packages, another first on PATH may not. */
function findPython() {
  const candidates = [process.env.TERCET_PYTHON, "python3", "/usr/bin/python3"].filter(Boolean);
  return candidates.find((python) => spawnSync(python, ["-c", "import torch"]).status === 0);
}

const python = findPython();
const skip =
  python === undefined &&
  "no Python with PyTorch here (Debian: python3-torch; another: TERCET_PYTHON)";
const modules = readdirSync(join(trainer, "tests"))
  .map((file) => /^(test_\w+)\.py$/.exec(file)?.[1])
  .filter(Boolean);

test("there are Python tests of the trainer", () => assert.ok(modules.length >= 2));

/** What one Python that ran all of them said (importing PyTorch anew for each file took longer than most files). */
let said;
function runAll() {
  said ??= spawnSync(
    python,
    ["-W", "ignore", "-m", "unittest", "-v", ...modules.map((module) => `tests.${module}`)],
    {
      cwd: trainer,
      encoding: "utf8",
      maxBuffer: 1 << 26,
      env: {
        ...process.env,
        TERCET_PROGRAM: join(nativeBuild, "tercet"),
        PYTHONDONTWRITEBYTECODE: "1",
        OMP_NUM_THREADS: "1",
      },
    },
  );
  return said;
}

for (const module of modules) {
  test(`trainer/tests/${module}.py`, { skip }, (t) => {
    const { stdout, stderr } = runAll();
    const lines = stderr.split("\n").filter((line) => line.includes(`(tests.${module}.`));
    assert.ok(lines.length > 0, `no test of it ran\n${stdout}\n${stderr}`);
    const bad = lines.filter((line) => /^(FAIL|ERROR): /.test(line));
    assert.deepEqual(bad, [], stderr);
    for (const line of lines) {
      const why = /skipped ['"](.*)['"]$/.exec(line)?.[1];
      if (why) t.diagnostic(why);
    }
  });
}

test("all of them, in the end", { skip }, () => {
  const { status, stdout, stderr } = runAll();
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.match(stderr, /Ran [1-9]\d* tests? in/);
});
