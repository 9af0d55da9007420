// oracle.test.mjs - every family and every form of Hugging Face folder, with a seed that changes: the logits that the
// reference oracle finds. Skipped, and says so, where the oracle is not beside the project; golden_forms.test.mjs runs its
// committed cases everywhere.

import { test } from "node:test";
import { pack } from "./twin_under_test.mjs";
import { checkAgainstOracle, oracleCase, oracleMissing, oracleSeed } from "./oracle.mjs";

const packed = ["packed-bitlinear", "packed-autobitlinear", "packed-oldstyle"];
const grid = ["grid-f16", "grid-bf16", "grid-f32"];
const online = ["online-bf16", "online-f32"];

const forms = {
  llama: [...packed, ...grid, ...online, "grid-bf16-sharded", "mlx", "npz", "dense-f32"],
  bitnet: [...packed, ...grid, ...online, "packed-bitlinear-sharded", "mlx", "npz"],
  gpt2: [...grid, ...online, "mlx", "npz", "dense-f32"],
  bitmamba2: ["bitmamba-bin"],
  ternarylm: [...online, "grid-f32"],
  qwen3: [...grid, "grid-f16-sharded", "mlx", "npz", "dense-f32"],
};

/** What a family, and at the end its writer, can be asked for beside its form. */
const variants = [
  ["llama", "packed-bitlinear", { rope: "llama3" }],
  ["llama", "packed-autobitlinear", { tied: true, kv_heads: 6 }],
  ["llama", "grid-f16", { rope: "yarn", attention_bias: true, mlp_bias: true }],
  ["llama", "grid-bf16", { rope: "linear", scale: "row", tokenizer: "spm" }],
  ["llama", "grid-f16", { scale: "group", group: 64, pad_rows: 13, bits: 11 }],
  ["llama", "grid-f32", { heads: 8, kv_heads: 8, head_dim: 6 }],
  ["llama", "packed-bitlinear", { linear_norms: true }],
  ["llama", "grid-f16", { linear_norms: true, attention_bias: true, tied: true }],
  ["bitnet", "packed-autobitlinear", { linear_norms: true }],
  ["bitnet", "packed-autobitlinear", { rope: "llama3", tied: false }],
  ["qwen3", "grid-bf16", { rope: "yarn", tied: false, pad_rows: 5 }],
  ["qwen3", "mlx", { rope: "yarn", attention_bias: true }],
  ["gpt2", "grid-f16", { ternary_embedding: true, inner: 333 }],
  ["llama", "npz", { scale: "row", attention_bias: true }, { scales: "patcher" }],
  ["llama", "npz", { hidden: 100, inner: 437, heads: 5, kv_heads: 5 }, { pad_columns: true }],
  ["qwen3", "npz", { tied: false }, { compressed: false, scales: "patcher" }],
];

const all = Object.entries(forms).flatMap(([family, names]) =>
  names.map((form) => [family, form, {}]),
);

/** A third of the cases each time; TERCET_ORACLE_ALL runs them all. */
const some = [...all, ...variants].filter(
  (_, i) => process.env.TERCET_ORACLE_ALL !== undefined || i % 3 === oracleSeed % 3,
);

some.forEach(([family, form, options, writer], i) => {
  const seed = oracleSeed + i;
  const told = `${family} ${form} ${JSON.stringify({ ...options, ...writer })}, seed ${seed}`;
  test(told, { skip: oracleMissing }, () => {
    const { source, expected } = oracleCase(family, form, seed, options, writer);
    const dense = form.startsWith("dense");
    const how = dense ? ["--dense", "f32"] : [];
    if (form.startsWith("online")) how.push("--quantize", "absmean");
    checkAgainstOracle(pack(source, how), expected, dense ? "float" : "int8-token");
  });
});
