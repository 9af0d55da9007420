// container_file.mjs - writes small .tercet files from CONTAINER.md alone.
//
// Why it exists: a second writer, in another language and sharing no code with the packer, proves
// that the specification is enough to make a file, and that the packer writes what it says. It is
// also the source of the golden files. It must never import or generate anything from core/.

import { createHash } from "node:crypto";

export const SECTION = {
  config: 1,
  rope: 2,
  tensors: 3,
  chunks: 4,
  tokenizer: 5,
  chat: 6,
  about: 7,
};
export const TYPE = { f32: 1, f16: 2, int8: 3, ternary: 4 };
export const SCALE = { none: 0, tensor: 1, row: 2, group64: 3, group128: 4 };
export const ROLE = {
  embedding: 1,
  positionEmbedding: 2,
  attentionNorm: 16,
  q: 17,
  k: 18,
  v: 19,
  qBias: 20,
  kBias: 21,
  vBias: 22,
  attentionSubNorm: 24,
  o: 25,
  oBias: 26,
  attentionNormBias: 27,
  qNorm: 28,
  kNorm: 29,
  ffnNorm: 32,
  gate: 33,
  up: 34,
  ffnSubNorm: 35,
  down: 36,
  ffnNormBias: 37,
  gateBias: 38,
  upBias: 39,
  downBias: 40,
  mixerNorm: 48,
  mixerIn: 49,
  mixerConv: 50,
  mixerConvBias: 51,
  mixerStepBias: 52,
  mixerLogRate: 53,
  mixerSkip: 54,
  mixerOutNorm: 55,
  mixerOut: 56,
  qInNorm: 57,
  kInNorm: 58,
  vInNorm: 59,
  oInNorm: 60,
  gateInNorm: 61,
  upInNorm: 62,
  downInNorm: 63,
  outputNorm: 64,
  head: 65,
  outputNormBias: 66,
  headBias: 67,
  headNorm: 68,
};
export const KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };
export const NO_TOKEN = 0xffffffff;
const CHUNK_BYTES = 1 << 20;

const padTo = (bytes, multiple) => Math.ceil(bytes / multiple) * multiple;
const sha256 = (...parts) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Fixed-width little-endian fields one after the other. */
class Fields {
  #parts = [];

  #put(bytes, write) {
    const part = Buffer.alloc(bytes);
    write(part);
    this.#parts.push(part);
    return this;
  }
  u32(...values) {
    for (const value of values) this.#put(4, (part) => part.writeUInt32LE(value));
    return this;
  }
  u64(...values) {
    for (const value of values) this.#put(8, (part) => part.writeBigUInt64LE(BigInt(value)));
    return this;
  }
  f32(...values) {
    for (const value of values) this.#put(4, (part) => part.writeFloatLE(value));
    return this;
  }
  f64(...values) {
    for (const value of values) this.#put(8, (part) => part.writeDoubleLE(value));
    return this;
  }
  bytes(value) {
    this.#parts.push(Buffer.from(value));
    return this;
  }
  zeros(count) {
    return this.#put(count, () => {});
  }
  end() {
    return Buffer.concat(this.#parts);
  }
}

function configSection(config) {
  return new Fields()
    .u32(config.family, config.flags, config.layers, config.hidden, config.inner)
    .u32(config.heads, config.kvHeads, config.headDim, config.vocabulary, config.context)
    .u32(config.activation, config.activationBits)
    .f32(config.normEpsilon, config.temperature)
    .u32(config.topK)
    .f32(config.topP, config.minP)
    .u32(config.stopTokens.length)
    .u32(...Array.from({ length: 8 }, (_, i) => config.stopTokens[i] ?? NO_TOKEN))
    .f32(config.linearNormEpsilon ?? 0)
    .zeros(20)
    .end();
}

function ropeSection(rope) {
  return new Fields()
    .u32(rope.frequencies.length, 0)
    .f64(rope.scale, ...rope.frequencies)
    .end();
}

/** Sizes of a tensor's codes (or plain values) and of its scales, before the padding. */
function tensorParts({ type, scale, rows, columns }) {
  if (type === TYPE.f32) return { codes: rows * columns * 4, scales: 0 };
  if (type === TYPE.f16) return { codes: rows * columns * 2, scales: 0 };
  const strips = Math.ceil(rows / 16);
  const weights = strips * 16 * padTo(columns, 16);
  const group = scale === SCALE.group64 ? 64 : 128;
  const scales = {
    [SCALE.tensor]: 4,
    [SCALE.row]: strips * 16 * 4,
    [SCALE.group64]: strips * Math.ceil(columns / group) * 32,
    [SCALE.group128]: strips * Math.ceil(columns / group) * 32,
  }[scale];
  return { codes: type === TYPE.ternary ? weights / 4 : weights, scales };
}

export function tensorBytes(tensor) {
  const { codes, scales } = tensorParts(tensor);
  return padTo(codes + scales, 64);
}

const HALF_ONE_EIGHTH = 0x3000; // 0.125 as an IEEE half

/** Values without a meaning, but finite, small and different from place to place. */
function tensorData(tensor, seed) {
  const { type, scale, rows, columns } = tensor;
  const data = Buffer.alloc(tensorBytes(tensor));
  let state = seed >>> 0;
  const next = (count) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // Numerical Recipes' generator
    return (state >>> 16) % count;
  };
  const { codes } = tensorParts(tensor);
  const paddedColumns = padTo(columns, 16);
  if (type === TYPE.f32)
    for (let i = 0; i < rows * columns; i++) data.writeFloatLE((next(33) - 16) / 16, 4 * i);
  if (type === TYPE.f16)
    // Sign and exponent of +-1 .. +-2, with four bits of mantissa.
    for (let i = 0; i < rows * columns; i++)
      data.writeUInt16LE((next(2) << 15) | (15 << 10) | (next(16) << 6), 2 * i);
  if (type === TYPE.int8)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const tile = Math.floor(row / 16) * (paddedColumns / 4) + Math.floor(column / 4);
        data.writeInt8(next(255) - 127, tile * 64 + (row % 16) * 4 + (column % 4));
      }
  if (type === TYPE.ternary) {
    data.fill(0b01010101, 0, codes); // weight 0, also in the padding
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const tile = Math.floor(row / 16) * (paddedColumns / 16) + Math.floor(column / 16);
        const at = tile * 64 + (row % 16) * 4 + (column % 4);
        const shift = 2 * Math.floor((column % 16) / 4);
        data[at] = (data[at] & ~(3 << shift)) | (next(3) << shift);
      }
  }
  if (scale === SCALE.tensor) data.writeFloatLE(0.125, codes);
  if (scale === SCALE.row)
    for (let row = 0; row < rows; row++) data.writeFloatLE((1 + (row % 4)) / 64, codes + 4 * row);
  if (scale === SCALE.group64 || scale === SCALE.group128) {
    const groups = Math.ceil(columns / (scale === SCALE.group64 ? 64 : 128));
    for (let row = 0; row < rows; row++)
      for (let group = 0; group < groups; group++) {
        const at = ((Math.floor(row / 16) * groups + group) * 16 + (row % 16)) * 2;
        data.writeUInt16LE(HALF_ONE_EIGHTH, codes + at);
      }
  }
  return data;
}

function tensorsSection(tensors, headerBytes) {
  const fields = new Fields().u32(tensors.length, 0);
  let offset = headerBytes;
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor);
    fields
      .u32(tensor.stage, tensor.role, tensor.type, tensor.scale, tensor.rows, tensor.columns)
      .u64(offset, bytes, 0);
    offset += bytes;
  }
  return fields.end();
}

/** Offsets of the tables inside the section, for those who damage them. */
export function tokenizerTables(tokenizer) {
  const textOffsets = 64;
  const sorted = textOffsets + 4 * (tokenizer.tokens.length + 1);
  const byteTokens = sorted + 4 * tokenizer.sorted.length;
  const merges = byteTokens + 4 * 256;
  const specials = merges + 16 * tokenizer.merges.length;
  const kinds = specials + 4 * tokenizer.specials.length;
  const text = kinds + padTo(tokenizer.tokens.length, 4);
  return { textOffsets, sorted, byteTokens, merges, specials, kinds, text };
}

function tokenizerSection(tokenizer) {
  const texts = tokenizer.tokens.map((token) => Buffer.from(token.text));
  const offsets = [0];
  for (const text of texts) offsets.push(offsets.at(-1) + text.length);
  const byteTokens = Array.from({ length: 256 }, (_, byte) => tokenizer.byteTokens(byte));
  return new Fields()
    .u32(tokenizer.kind, tokenizer.splitter, tokenizer.flags, texts.length)
    .u32(tokenizer.sorted.length, tokenizer.merges.length, tokenizer.specials.length)
    .u32(offsets.at(-1), tokenizer.beginning, tokenizer.unknown)
    .zeros(24)
    .u32(...offsets)
    .u32(...tokenizer.sorted)
    .u32(...byteTokens)
    .u32(...tokenizer.merges.flat())
    .u32(...tokenizer.specials)
    .bytes(tokenizer.tokens.map((token) => token.kind))
    .zeros(padTo(texts.length, 4) - texts.length)
    .bytes(Buffer.concat(texts))
    .end();
}

/** Offsets of the tables inside the section, for those who damage them. */
export function chatTables(chat) {
  const segments = 128;
  const name = segments + 8 * chat.parts.flat().length;
  const system = name + Buffer.byteLength(chat.name) + 1;
  const text = system + Buffer.byteLength(chat.system);
  return { segments, name, system, text };
}

/** `parts`: for each part a list of segments, a number for a token and a string for a text. */
function chatSection(chat) {
  const segments = chat.parts.flat();
  const texts = segments.filter((segment) => typeof segment === "string");
  let end = 0;
  const partEnds = chat.parts.map((part) => (end += part.length));
  const name = Buffer.from(`${chat.name}\0`);
  const system = Buffer.from(chat.system);
  const text = Buffer.from(texts.join(""));
  return new Fields()
    .u32(chat.flags, name.length, system.length, chat.stopTokens.length)
    .u32(...Array.from({ length: 8 }, (_, i) => chat.stopTokens[i] ?? NO_TOKEN))
    .u32(segments.length, text.length, ...partEnds)
    .zeros(28)
    .u32(
      ...segments.flatMap((segment) =>
        typeof segment === "string" ? [NO_TOKEN, Buffer.byteLength(segment)] : [segment, 0],
      ),
    )
    .bytes(Buffer.concat([name, system, text]))
    .end();
}

function aboutSection({ name, licence, source }) {
  const strings = [name, licence, source].map((text) => Buffer.from(`${text}\0`));
  return new Fields()
    .u32(...strings.map((text) => text.length), 0)
    .bytes(Buffer.concat(strings))
    .end();
}

/** Puts the id of the model, the SHA-256 of the rest of the header, to its place. */
export function sealHeader(file, headerBytes) {
  sha256(file.subarray(0, 32), file.subarray(64, headerBytes)).copy(file, 32);
}

/**
 * A model as plain data -> { file, sections: name -> { at, bytes, entry }, headerBytes }. Extra
 * sections are { id, flags, bytes }; `shortened` (name -> bytes) cuts sections, for damaged files.
 */
export function buildContainer(model, extraSections = [], shortened = {}) {
  const data = Buffer.concat(model.tensors.map((tensor, i) => tensorData(tensor, i + 1)));
  const hashes = [];
  for (let at = 0; at < data.length; at += CHUNK_BYTES)
    hashes.push(sha256(data.subarray(at, at + CHUNK_BYTES)));
  const list = [
    { id: SECTION.config, flags: 1, bytes: configSection(model.config) },
    { id: SECTION.rope, flags: 1, bytes: ropeSection(model.rope) },
    { id: SECTION.tensors, flags: 1, bytes: tensorsSection(model.tensors, 0) },
    { id: SECTION.chunks, flags: 1, bytes: Buffer.concat(hashes) },
    { id: SECTION.tokenizer, flags: 1, bytes: tokenizerSection(model.tokenizer) },
    ...(model.chat ? [{ id: SECTION.chat, flags: 0, bytes: chatSection(model.chat) }] : []),
    ...(model.about ? [{ id: SECTION.about, flags: 0, bytes: aboutSection(model.about) }] : []),
    ...extraSections,
  ].sort((a, b) => a.id - b.id);

  const length = (section) => {
    const name = Object.keys(SECTION).find((key) => SECTION[key] === section.id);
    return shortened[name] ?? section.bytes.length;
  };
  let end = 64 + 24 * list.length;
  for (const section of list) {
    section.bytes = section.bytes.subarray(0, length(section));
    section.at = padTo(end, 64);
    end = section.at + section.bytes.length;
  }
  const headerBytes = padTo(end, 64);
  const tensors = list.find(({ id }) => id === SECTION.tensors);
  tensors.bytes = tensorsSection(model.tensors, headerBytes).subarray(0, length(tensors));

  const file = Buffer.concat([Buffer.alloc(headerBytes), data]);
  new Fields()
    .bytes([0x89, 0x54, 0x52, 0x43, 0x54, 0x0d, 0x0a, 0x1a])
    .u32(1, list.length)
    .u64(headerBytes, file.length)
    .end()
    .copy(file);
  list.forEach((section, i) => {
    new Fields()
      .u32(section.id, section.flags)
      .u64(section.at, section.bytes.length)
      .end()
      .copy(file, 64 + 24 * i);
    section.bytes.copy(file, section.at);
  });
  sealHeader(file, headerBytes);

  const sections = {};
  for (const [name, id] of Object.entries(SECTION)) {
    const index = list.findIndex((section) => section.id === id);
    if (index >= 0)
      sections[name] = {
        at: list[index].at,
        bytes: list[index].bytes.length,
        entry: 64 + 24 * index,
      };
  }
  return { file, sections, headerBytes };
}
