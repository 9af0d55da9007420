// trainer.test.mjs - runs the Python package's own tests, one file of them at a time, where PyTorch is
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

for (const module of modules) {
  test(`trainer/tests/${module}.py`, { skip }, (t) => {
    const { status, stdout, stderr } = spawnSync(
      python,
      ["-W", "ignore", "-m", "unittest", "-v", `tests.${module}`],
      {
        cwd: trainer,
        encoding: "utf8",
        env: {
          ...process.env,
          TERCET_PROGRAM: join(nativeBuild, "tercet"),
          PYTHONDONTWRITEBYTECODE: "1",
          OMP_NUM_THREADS: "1",
        },
      },
    );
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    assert.match(stderr, /Ran [1-9]\d* tests? in/);
    for (const [, why] of stderr.matchAll(/skipped ['"](.*)['"]$/gm)) t.diagnostic(why);
  });
}
