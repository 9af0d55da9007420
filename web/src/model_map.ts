// model_map.ts: what a loaded model is made of, counted where it lies in memory: the signs of its ternary weights, the range of its
// scales, the bytes of each part of the file, and what memory is used for. The layout is CONTAINER.md's, and the engine has checked
// the file against it. Runs in the worker, in short pieces, beside whatever else goes on there.
import { TercetError } from "./errors.js";
import { yieldToMessages, type RunControl } from "./run_control.js";
import type { OpenSession } from "./session_runner.js";
import { tensorName, tensorPart } from "./tensor_roles.js";
import type { LayerMap, ModelMap, ModelPart, TensorMap, TernaryCount } from "./types.js";

/** Words of 16 weights that are counted between two looks at messages: some milliseconds. */
const WORDS_AT_ONCE = 1 << 20;
const PREFIX_BYTES = 64;
const SECTION_BYTES = 24;
const SECTION_TENSORS = 3;
const SECTION_TOKENIZER = 5;
const TENSOR_BYTES = 48;
const TYPES = ["", "f32", "f16", "int8", "ternary"] as const;
const SCALES = ["none", "tensor", "row", "group64", "group128"] as const;

export async function mapModel(open: OpenSession, control: RunControl): Promise<ModelMap> {
  const { module, model, facts } = open;
  // As wasm/abi_text.c and abi_session.c number them.
  const [headerAddress, headerBytes, dataAddress, dataBytes] = [0, 1, 2, 3].map((at) =>
    module.ask("model_bytes", model, at),
  ) as [number, number, number, number];
  const header = new DataView(module.read(headerAddress, headerBytes).buffer);
  const sections = readSections(header);
  const layers: LayerMap[] = Array.from({ length: facts.layers }, () => ({
    bytes: 0,
    parts: {},
    ternary: { weights: 0, minus: 0, zero: 0, plus: 0 },
  }));
  const tensors: TensorMap[] = [];
  const bytes = new Map<ModelPart, number>();
  const ternary: TernaryCount = { weights: 0, minus: 0, zero: 0, plus: 0 };
  const memory = module.memory.buffer;
  for (const tensor of readTensors(header, sections)) {
    const address = dataAddress + tensor.offset - headerBytes;
    if (tensor.type === "ternary") {
      tensor.ternary = await countSigns(memory, address, tensor, control);
      add(ternary, tensor.ternary);
    }
    tensor.scales = scaleRange(memory, address, tensor);
    bytes.set(tensor.part, (bytes.get(tensor.part) ?? 0) + tensor.bytes);
    const layer = tensor.layer === null ? undefined : layers[tensor.layer];
    if (layer) {
      layer.bytes += tensor.bytes;
      layer.parts[tensor.part] = (layer.parts[tensor.part] ?? 0) + tensor.bytes;
      if (tensor.ternary) add(layer.ternary, tensor.ternary);
    }
    tensors.push(tensor);
  }
  const tokenizerBytes = sections.get(SECTION_TOKENIZER)?.bytes ?? 0;
  bytes.set("tokenizer", tokenizerBytes);
  bytes.set("tables", headerBytes - tokenizerBytes);
  const sessionBytes = module.ask("session_info", open.session, 3);
  const keptBytes = module.ask("session_info", open.session, 8);
  const totalBytes = memory.byteLength;
  return {
    modelId: facts.modelId,
    fileBytes: facts.fileBytes,
    parts: [...bytes].map(([part, count]) => ({ part, bytes: count })),
    ternary,
    layers,
    tensors,
    memory: {
      totalBytes,
      weightBytes: dataBytes,
      headerBytes,
      keptBytes,
      workBytes: sessionBytes - keptBytes,
      engineBytes: totalBytes - dataBytes - headerBytes - sessionBytes,
    },
  };
}

function add(sum: TernaryCount, more: TernaryCount): void {
  sum.weights += more.weights;
  sum.minus += more.minus;
  sum.zero += more.zero;
  sum.plus += more.plus;
}

// ---------------------------------------------------------------- header

function readSections(header: DataView): Map<number, { offset: number; bytes: number }> {
  const count = header.getUint32(12, true);
  const sections = new Map<number, { offset: number; bytes: number }>();
  for (let i = 0; i < count; i += 1) {
    const at = PREFIX_BYTES + i * SECTION_BYTES;
    sections.set(header.getUint32(at, true), {
      offset: Number(header.getBigUint64(at + 8, true)),
      bytes: Number(header.getBigUint64(at + 16, true)),
    });
  }
  return sections;
}

function readTensors(
  header: DataView,
  sections: Map<number, { offset: number; bytes: number }>,
): TensorMap[] {
  const table = sections.get(SECTION_TENSORS)?.offset ?? 0;
  const count = header.getUint32(table, true);
  return Array.from({ length: count }, (_, i) => {
    const at = table + 8 + i * TENSOR_BYTES;
    const [stage, role] = [header.getUint32(at, true), header.getUint32(at + 4, true)];
    const part = tensorPart(role);
    return {
      name: tensorName(stage, role),
      part,
      layer: part === "embedding" || part === "head" ? null : stage - 1,
      type: TYPES[header.getUint32(at + 8, true)] as TensorMap["type"],
      scale: SCALES[header.getUint32(at + 12, true)] as TensorMap["scale"],
      rows: header.getUint32(at + 16, true),
      columns: header.getUint32(at + 20, true),
      offset: Number(header.getBigUint64(at + 24, true)),
      bytes: Number(header.getBigUint64(at + 32, true)),
      ternary: null,
      scales: null,
    };
  });
}

// ---------------------------------------------------------------- weights

/** A row of a tile is one word: column c in byte c % 4, at bits 2 (c / 4). */
function columnMask(columns: number): number {
  let mask = 0;
  for (let column = 0; column < columns; column += 1)
    mask |= 3 << (8 * (column % 4) + 2 * (column >> 2));
  return mask;
}

/** Only the weights of the matrix, not the padding of its tiles. */
async function countSigns(
  memory: ArrayBufferLike,
  address: number,
  { rows, columns }: { rows: number; columns: number },
  control: RunControl,
): Promise<TernaryCount> {
  const tiles = Math.ceil(columns / 16);
  const wholeTiles = Math.floor(columns / 16);
  const mask = columnMask(columns % 16);
  const sum = { low: 0, high: 0, either: 0 };
  let pending = 0;
  for (let row = 0; row < rows; row += 16) {
    const height = Math.min(16, rows - row);
    const strip = new Uint32Array(memory, address + (row / 16) * tiles * 64, tiles * 16);
    if (height === 16) countWords(strip, 0, wholeTiles * 16, -1, sum);
    else
      for (let tile = 0; tile < wholeTiles; tile += 1)
        countWords(strip, tile * 16, tile * 16 + height, -1, sum);
    if (tiles > wholeTiles) countWords(strip, wholeTiles * 16, wholeTiles * 16 + height, mask, sum);
    pending += strip.length;
    if (pending >= WORDS_AT_ONCE) {
      pending = 0;
      await yieldToMessages();
      if (control.aborted) throw new TercetError("ABORTED");
    }
  }
  // Codes are 00, 01, 10; 11 does not occur, and were it there it would be none of the three.
  const weights = rows * columns;
  const both = sum.low + sum.high - sum.either;
  return {
    weights,
    minus: weights - sum.either,
    zero: sum.low - both,
    plus: sum.high - both,
  };
}

const EVEN = 0x55555555;

/** Adds how many of the codes in words [from, to), those under `mask`, have their low bit, their high bit, either. */
function countWords(
  words: Uint32Array,
  from: number,
  to: number,
  mask: number,
  sum: { low: number; high: number; either: number },
): void {
  let [low, high, either] = [0, 0, 0];
  for (let at = from; at < to; at += 1) {
    const word = (words[at] as number) & mask;
    const lows = word & EVEN;
    const highs = (word >>> 1) & EVEN;
    // Two counts in one: bits of a word fit into half of it.
    low += bits(lows);
    high += bits(highs);
    either += bits(lows | highs);
  }
  sum.low += low;
  sum.high += high;
  sum.either += either;
}

/** Of a word with bits in even places only. */
function bits(even: number): number {
  const pairs = (even & 0x33333333) + ((even >>> 2) & 0x33333333);
  const bytes = (pairs + (pairs >>> 4)) & 0x0f0f0f0f;
  return Math.imul(bytes, 0x01010101) >>> 24;
}

/** null: it has none. Not of padding rows, whose scales are 0. */
function scaleRange(
  memory: ArrayBufferLike,
  address: number,
  { type, scale, rows, columns }: TensorMap,
): TensorMap["scales"] {
  if (scale === "none") return null;
  const codes = Math.ceil(rows / 16) * 16 * Math.ceil(columns / 16) * 16;
  const at = address + (type === "ternary" ? codes / 4 : codes);
  let [least, greatest] = [Infinity, -Infinity];
  const see = (value: number) => {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  };
  if (scale === "tensor" || scale === "row") {
    new Float32Array(memory, at, scale === "row" ? rows : 1).forEach(see);
    return { least, greatest };
  }
  const groups = Math.ceil(columns / (scale === "group64" ? 64 : 128));
  const halves = new Uint16Array(memory, at, Math.ceil(rows / 16) * groups * 16);
  for (let i = 0; i < halves.length; i += 1) {
    const row = Math.floor(i / (groups * 16)) * 16 + (i % 16);
    if (row < rows) see(floatOfHalf(halves[i] as number));
  }
  return { least, greatest };
}

function floatOfHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
