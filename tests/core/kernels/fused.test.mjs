// fused.test.mjs - no object of the native core holds a fused multiply-add. Every processor with
// AVX-512 or for ARM has one, compilers use it where they may, and it rounds once where every other
// build rounds twice: the twins would part in a bit that no short test need reach.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { listFiles } from "../../../scripts/fingerprint.mjs";
import { nativeBuild } from "../../../scripts/paths.mjs";
import { runCommand } from "../../../scripts/steps.mjs";

const folder = join(
  process.env.TERCET_NATIVE ?? nativeBuild,
  "CMakeFiles",
  "tercet_core-objects.dir",
);
const mnemonics = {
  x64: { product: /\tv?mul[ps]s /g, fused: /\tvfn?m(add|sub).*/ },
  arm64: { product: /\tfmul\t/g, fused: /\tfn?m(add|sub|la|ls)\t.*/ },
}[process.arch];
const skip = mnemonics === undefined && `the mnemonics of ${process.arch} are not known here`;

test("no fused multiply-add in the core", { skip }, async () => {
  const objects = listFiles(folder).filter((file) => file.endsWith(".o"));
  assert.ok(
    objects.some((file) => file.includes("portable.c")),
    `no kernels in ${folder}`,
  );
  let products = 0;
  for (const object of objects) {
    const { output } = await runCommand(
      "sh",
      [
        "-c",
        // runCommand keeps the end of a long output only.
        'objdump -d --no-show-raw-insn "$1" | grep -E "f?mul|fn?m"',
        "sh",
        object,
      ],
      { accept: [0, 1] },
    );
    assert.doesNotMatch(output, mnemonics.fused, object);
    products += output.match(mnemonics.product)?.length ?? 0;
  }
  assert.ok(products > 100, `only ${products} multiplications were seen`);
});
