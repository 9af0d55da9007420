// gguf_edit.mjs - takes a GGUF file apart into keys and tensors and writes it again with some of them changed, for tests of
// what is refused. Shares nothing with the packer. Rules: docs/gguf.md of ggml-org/ggml.

import { readFileSync, writeFileSync } from "node:fs";

const widths = new Map([0, 1, 7].map((t) => [t, 1]));
[2, 3].forEach((t) => widths.set(t, 2));
[4, 5, 6].forEach((t) => widths.set(t, 4));
[10, 11, 12].forEach((t) => widths.set(t, 8));
const STRING = 8;
const ARRAY = 9;

const number = (value, bytes) => {
  const out = Buffer.alloc(bytes);
  for (let i = 0, rest = BigInt(value); i < bytes; i++, rest >>= 8n) out[i] = Number(rest & 255n);
  return out;
};
export const u32 = (value) => ({ type: 4, bytes: number(value, 4) });
export const f32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return { type: 6, bytes };
};
export const bool = (value) => ({ type: 7, bytes: number(value ? 1 : 0, 1) });
const textBytes = (text) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([number(bytes.length, 8), bytes]);
};
export const text = (value) => ({ type: STRING, bytes: textBytes(value) });
export const array = (element, items) => ({
  type: ARRAY,
  bytes: Buffer.concat([number(element, 4), number(items.length, 8), ...items]),
});
export const texts = (items) => array(STRING, items.map(textBytes));
export const integers = (items) =>
  array(
    5,
    items.map((item) => number(item, 4)),
  );

/** Keys (name -> { type, bytes }) and tensors (name -> { shape, type, data }) of a file. */
export function readGguf(path) {
  const file = readFileSync(path);
  let at = 4;
  const take = (bytes) => file.subarray(at, (at += bytes));
  const u = (bytes) => Number(bytes === 8 ? take(8).readBigUInt64LE() : take(4).readUInt32LE());
  const skipValue = (type) => {
    if (type === STRING) take(u(8));
    else if (type === ARRAY) {
      const element = u(4);
      for (let left = u(8); left > 0; left--) skipValue(element);
    } else take(widths.get(type));
  };
  const version = u(4);
  const tensorCount = u(8);
  const keyCount = u(8);
  const keys = new Map();
  const tensors = new Map();
  for (let i = 0; i < keyCount; i++) {
    const name = take(u(8)).toString();
    const type = u(4);
    const from = at;
    skipValue(type);
    keys.set(name, { type, bytes: file.subarray(from, at) });
  }
  const places = [];
  for (let i = 0; i < tensorCount; i++) {
    const name = take(u(8)).toString();
    const shape = Array.from({ length: u(4) }, () => u(8));
    places.push({ name, shape, type: u(4), offset: u(8) });
  }
  const alignment = keys.has("general.alignment")
    ? keys.get("general.alignment").bytes.readUInt32LE()
    : 32;
  const data = Math.ceil(at / alignment) * alignment;
  places.forEach(({ name, shape, type, offset }, i) => {
    const end = i + 1 < places.length ? places[i + 1].offset : file.length - data;
    tensors.set(name, { shape, type, data: file.subarray(data + offset, data + end) });
  });
  return { version, alignment, keys, tensors };
}

/** A change of a value: { name: value }, where undefined takes it away. */
export function changed(map, changes) {
  const result = new Map(map);
  for (const [name, value] of Object.entries(changes))
    if (value === undefined) result.delete(name);
    else result.set(name, value);
  return result;
}

export function writeGguf(path, { version, alignment, keys, tensors }) {
  const parts = [Buffer.from("GGUF"), number(version, 4), number(tensors.size, 8)];
  parts.push(number(keys.size, 8));
  for (const [name, { type, bytes }] of keys) parts.push(textBytes(name), number(type, 4), bytes);
  const padded = (bytes) =>
    Buffer.concat([bytes, Buffer.alloc(-bytes.length & (alignment - 1) & 0xffffffff)]);
  let offset = 0;
  const datas = [];
  for (const [name, { shape, type, data }] of tensors) {
    parts.push(textBytes(name), number(shape.length, 4), ...shape.map((n) => number(n, 8)));
    parts.push(number(type, 4), number(offset, 8));
    datas.push(padded(data));
    offset += datas.at(-1).length;
  }
  writeFileSync(path, Buffer.concat([padded(Buffer.concat(parts)), ...datas]));
  return path;
}
