// safetensors_file.mjs - a small reader of safetensors files for these tests, written from the format's text alone. It shares
// nothing with the reader or the writer of the packer.

import { readFileSync } from "node:fs";
import { half } from "./gguf_file.mjs";

/** Tensors of a safetensors file: name -> { dtype, shape, bytes }. */
export function readSafetensors(path) {
  const file = readFileSync(path);
  const header = 8 + Number(file.readBigUInt64LE());
  const tensors = new Map();
  for (const [name, entry] of Object.entries(JSON.parse(file.subarray(8, header).toString()))) {
    if (name === "__metadata__") continue;
    const [begin, end] = entry.data_offsets;
    tensors.set(name, { ...entry, bytes: file.subarray(header + begin, header + end) });
  }
  return tensors;
}

const bf16 = (bits) => new Float32Array(new Uint32Array([bits << 16]).buffer)[0];

/** One element. */
export function number({ dtype, bytes }, index) {
  if (dtype === "F32") return bytes.readFloatLE(4 * index);
  const bits = bytes.readUInt16LE(2 * index);
  return dtype === "F16" ? half(bits) : bf16(bits);
}
