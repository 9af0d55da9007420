// gguf_file.mjs - a small reader of GGUF files for these tests, written from the format's text alone
// (docs/gguf.md and ggml-common.h of ggml-org/ggml): header, keys, tensors, and single weights of the
// block types. It shares nothing with the writer. Strict: what ggml would refuse throws.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

/** id -> [name, weights a block, bytes a block] */
const types = new Map([
  [0, ["F32", 1, 4]],
  [1, ["F16", 1, 2]],
  [2, ["Q4_0", 32, 18]],
  [8, ["Q8_0", 32, 34]],
  [34, ["TQ1_0", 256, 54]],
  [35, ["TQ2_0", 256, 66]],
  [42, ["Q2_0", 64, 18]],
]);

export function half(bits) {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** [code, scale] of element `at` of a block that begins at `from`; the weight is their product. */
const decode = {
  F32: (b, from) => [b.readFloatLE(from), 1],
  F16: (b, from) => [half(b.readUInt16LE(from)), 1],
  Q4_0: (b, from, at) => {
    const byte = b[from + 2 + (at % 16)];
    return [(at < 16 ? byte & 15 : byte >> 4) - 8, half(b.readUInt16LE(from))];
  },
  Q8_0: (b, from, at) => [b.readInt8(from + 2 + at), half(b.readUInt16LE(from))],
  Q2_0: (b, from, at) => [
    ((b[from + 2 + (at >> 2)] >> (2 * (at & 3))) & 3) - 1,
    half(b.readUInt16LE(from)),
  ],
  TQ2_0: (b, from, at) => {
    const [part, field, byte] = [at >> 7, (at & 127) >> 5, at & 31];
    return [((b[from + 32 * part + byte] >> (2 * field)) & 3) - 1, half(b.readUInt16LE(from + 64))];
  },
  TQ1_0: (b, from, at) => {
    const [base, first, step] = at < 160 ? [0, 0, 32] : at < 240 ? [32, 160, 16] : [48, 240, 4];
    const digit = Math.floor((at - first) / step);
    const byte = b[from + base + ((at - first) % step)];
    return [((((byte * 3 ** digit) % 256) * 3) >> 8) - 1, half(b.readUInt16LE(from + 52))];
  },
};

export class GgufFile {
  constructor(path) {
    this.bytes = readFileSync(path);
    this.at = 0;
    assert.equal(this.take(4).toString("latin1"), "GGUF");
    assert.equal(this.u32(), 3, "version");
    const tensors = this.u64();
    const keys = this.u64();
    this.keys = new Map();
    for (let i = 0; i < keys; i++) {
      const key = this.string();
      assert.ok(key !== "" && !this.keys.has(key), `key "${key}" is empty or there twice`);
      this.keys.set(key, this.value(this.u32()));
    }
    this.tensors = new Map();
    for (let i = 0; i < tensors; i++) this.readTensor();
    this.checkPlaces();
  }

  take(count) {
    assert.ok(this.at + count <= this.bytes.length, "the file ends inside its header");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
  u32 = () => this.take(4).readUInt32LE();
  u64 = () => Number(this.take(8).readBigUInt64LE());
  string = () => new TextDecoder("utf-8", { fatal: true }).decode(this.take(this.u64()));

  value(type) {
    switch (type) {
      case 4:
        return this.u32();
      case 5:
        return this.take(4).readInt32LE();
      case 6:
        return this.take(4).readFloatLE();
      case 7:
        return this.take(1)[0] !== 0;
      case 8:
        return this.string();
      case 9: {
        const element = this.u32();
        return Array.from({ length: this.u64() }, () => this.value(element));
      }
      default:
        throw new Error(`value type ${type} is not expected here`);
    }
  }

  readTensor() {
    const name = this.string();
    assert.ok(name.length < 64 && !this.tensors.has(name), `tensor ${name}`);
    const shape = Array.from({ length: this.u32() }, () => this.u64());
    const type = types.get(this.u32());
    assert.ok(type, `tensor ${name} has a type that is not expected here`);
    const offset = this.u64();
    this.tensors.set(name, { name, shape, type, offset });
  }

  /** ggml's rules: offsets in order, each the end of the one before padded to 32; whole blocks. */
  checkPlaces() {
    this.data = Math.ceil(this.at / 32) * 32;
    let next = 0;
    for (const { name, shape, type, offset } of this.tensors.values()) {
      assert.equal(offset, next, `${name} does not begin where the one before ends`);
      assert.equal(shape[0] % type[1], 0, `${name}: ${shape[0]} columns are no whole blocks`);
      const weights = shape.reduce((product, size) => product * size, 1);
      next = Math.ceil((offset + (weights / type[1]) * type[2]) / 32) * 32;
    }
    assert.equal(this.bytes.length, this.data + next, "length of the file");
  }

  typeOf = (name) => this.tensors.get(name).type[0];

  /** [code, scale] of one weight. */
  weight(name, row, column) {
    const { shape, type, offset } = this.tensors.get(name);
    const [kind, columns, bytes] = type;
    const block = (row * shape[0] + column - (column % columns)) / columns;
    return decode[kind](this.bytes, this.data + offset + block * bytes, column % columns);
  }
}
