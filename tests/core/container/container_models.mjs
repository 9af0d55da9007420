// container_models.mjs - the small models that the golden containers hold: every type of tensor and
// both kinds of tokenizer once, and a smaller one that the damaged files start from.
//
// They have the shape of models and finite weights, so an engine can run the first two, but no
// sense. It must never change without the golden files: `node tests/core/container/write_goldens.mjs`.

import { KIND, NO_TOKEN, ROLE, SCALE, TYPE } from "./container_file.mjs";

const byText = (tokens) => (a, b) =>
  Buffer.compare(Buffer.from(tokens[a].text), Buffer.from(tokens[b].text));

const vector = (stage, role, columns, type = TYPE.f32) => ({
  stage,
  role,
  type,
  scale: SCALE.none,
  rows: 1,
  columns,
});
const matrix = (stage, role, type, scale, rows, columns) => ({
  stage,
  role,
  type,
  scale,
  rows,
  columns,
});

/** SentencePiece-like: two control tokens, one byte token, pieces that merge. */
function sentencePiece() {
  const tokens = [
    { text: "", kind: KIND.unknown },
    { text: "<s>", kind: KIND.control },
    { text: "</s>", kind: KIND.control },
    { text: "A", kind: KIND.byte },
    { text: " ", kind: KIND.normal },
    { text: "a", kind: KIND.normal },
    { text: "b", kind: KIND.normal },
    { text: "ab", kind: KIND.normal },
    { text: " a", kind: KIND.normal },
    { text: " ab", kind: KIND.normal },
    { text: "\u00e9", kind: KIND.normal },
    { text: "", kind: KIND.unused },
  ];
  return {
    kind: 2,
    splitter: 0,
    flags: 1 | 2 | 4, // beginning token, space in front, bytes for what is unknown
    tokens,
    sorted: [4, 5, 6, 7, 8, 9, 10].sort(byText(tokens)),
    byteTokens: (byte) => (byte === 0x41 ? 3 : NO_TOKEN),
    // left, right, rank, result
    merges: [
      [4, 5, 1, 8],
      [4, 7, 3, 9],
      [5, 6, 0, 7],
      [8, 6, 2, 9],
    ],
    specials: [2, 1],
    beginning: 1,
    unknown: 0,
  };
}

/** Byte-level BPE: all bytes, two merges, two specials of one length. */
function byteLevel() {
  const tokens = Array.from({ length: 256 }, (_, byte) => ({ text: [byte], kind: KIND.normal }));
  tokens.push({ text: "th", kind: KIND.normal }, { text: "the", kind: KIND.normal });
  tokens.push({ text: "<|end|>", kind: KIND.control }, { text: "<|pad|>", kind: KIND.control });
  const ids = Array.from({ length: 258 }, (_, id) => id);
  return {
    kind: 1,
    splitter: 1,
    flags: 0,
    tokens,
    sorted: ids.sort(byText(tokens)),
    byteTokens: (byte) => byte,
    merges: [
      [0x74, 0x68, 0, 256],
      [256, 0x65, 1, 257],
    ],
    specials: [258, 259],
    beginning: NO_TOKEN,
    unknown: NO_TOKEN,
  };
}

/** WordPiece: words with a space in front, pieces without, a sign that stands behind a word. */
function wordPiece() {
  const tokens = [
    ...["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map((text) => ({ text, kind: KIND.control })),
    ...[" a", "b", " b", "ab", ".", " x"].map((text) => ({ text, kind: KIND.normal })),
  ];
  return {
    kind: 3,
    splitter: 0,
    flags: 1 | 2, // beginning token, space in front
    tokens,
    sorted: [4, 5, 6, 7, 8, 9].sort(byText(tokens)),
    byteTokens: () => NO_TOKEN,
    merges: [],
    specials: [0, 1, 2, 3],
    beginning: 2,
    unknown: 1,
  };
}

/** TernaryLM-like: Llama's layers, a head of its own with a bias, WordPiece. */
export function wordPieceModel() {
  const model = denseModel();
  const bias = vector(3, ROLE.headBias, 10);
  const head = matrix(3, ROLE.head, TYPE.f32, SCALE.none, 10, 8);
  return {
    ...model,
    config: { ...model.config, family: 5, flags: 512, vocabulary: 10, stopTokens: [3] },
    tensors: [
      matrix(0, ROLE.embedding, TYPE.f16, SCALE.none, 10, 8),
      ...model.tensors.slice(1),
      head,
      bias,
    ],
    tokenizer: wordPiece(),
  };
}

/** BitNet-like: sub-norms, squared ReLU, a head of its own, and every type of tensor and scale. */
export function ternaryModel() {
  const config = {
    family: 2,
    flags: 2,
    layers: 1,
    hidden: 20,
    inner: 24,
    heads: 4,
    kvHeads: 2,
    headDim: 4,
    vocabulary: 12,
    context: 64,
    activation: 2,
    activationBits: 8,
    normEpsilon: 2 ** -17,
    temperature: 0.75,
    topK: 8,
    topP: 0.9375,
    minP: 0,
    stopTokens: [2],
  };
  return {
    config,
    rope: { scale: 1, frequencies: [1, 0.015625] },
    tensors: [
      matrix(0, ROLE.embedding, TYPE.f32, SCALE.none, 12, 20),
      vector(1, ROLE.attentionNorm, 20),
      matrix(1, ROLE.q, TYPE.ternary, SCALE.tensor, 16, 20),
      matrix(1, ROLE.k, TYPE.ternary, SCALE.row, 8, 20),
      matrix(1, ROLE.v, TYPE.ternary, SCALE.group64, 8, 20),
      vector(1, ROLE.attentionSubNorm, 16),
      matrix(1, ROLE.o, TYPE.int8, SCALE.row, 20, 16),
      vector(1, ROLE.ffnNorm, 20),
      matrix(1, ROLE.gate, TYPE.ternary, SCALE.group128, 24, 20),
      matrix(1, ROLE.up, TYPE.ternary, SCALE.tensor, 24, 20),
      vector(1, ROLE.ffnSubNorm, 24),
      matrix(1, ROLE.down, TYPE.f16, SCALE.none, 20, 24),
      vector(2, ROLE.outputNorm, 20),
      matrix(2, ROLE.head, TYPE.int8, SCALE.row, 12, 20),
    ],
    tokenizer: sentencePiece(),
    about: { name: "Golden ternary", licence: "MIT", source: "container_models.mjs" },
  };
}

/** Llama-like and dense: two layers, tied head, interleaved rotation, no ABOUT. */
export function denseModel() {
  const layer = (stage) => [
    vector(stage, ROLE.attentionNorm, 8),
    matrix(stage, ROLE.q, TYPE.f32, SCALE.none, 8, 8),
    matrix(stage, ROLE.k, TYPE.f32, SCALE.none, 4, 8),
    matrix(stage, ROLE.v, TYPE.f32, SCALE.none, 4, 8),
    matrix(stage, ROLE.o, TYPE.f32, SCALE.none, 8, 8),
    vector(stage, ROLE.ffnNorm, 8),
    matrix(stage, ROLE.gate, TYPE.f16, SCALE.none, 12, 8),
    matrix(stage, ROLE.up, TYPE.f16, SCALE.none, 12, 8),
    matrix(stage, ROLE.down, TYPE.f16, SCALE.none, 8, 12),
  ];
  return {
    config: {
      family: 1,
      flags: 1 | 4,
      layers: 2,
      hidden: 8,
      inner: 12,
      heads: 2,
      kvHeads: 1,
      headDim: 4,
      vocabulary: 264, // larger than the tokenizer's 260, as models are padded
      context: 32,
      activation: 1,
      activationBits: 32,
      normEpsilon: 2 ** -20,
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 0.0625,
      stopTokens: [258],
    },
    rope: { scale: 1, frequencies: [1, 0.01] },
    tensors: [
      matrix(0, ROLE.embedding, TYPE.f16, SCALE.none, 264, 8),
      ...layer(1),
      ...layer(2),
      vector(3, ROLE.outputNorm, 8),
    ],
    tokenizer: byteLevel(),
    about: null,
  };
}

/** The dense model with a chat format that has something in every part. */
export function chatModel() {
  const [end, pad] = [258, 259];
  return {
    ...denseModel(),
    chat: {
      name: "golden-1.0",
      flags: 1 | 2,
      system: "Be brief.\n",
      stopTokens: [end, pad],
      parts: [
        [pad],
        ["system: "],
        [end, "\n"],
        [pad, "user: "],
        [end],
        ["assistant: "],
        [end, "\n"],
        ["assistant:", pad],
        ["<think>", pad, "</think>"],
        ["<think>"],
        ["</think>"],
      ],
    },
    about: { name: "Golden chat", licence: "MIT", source: "container_models.mjs" },
  };
}

/** GPT-2-like: layer norms, learned positions, biases everywhere, no gate; vectors of both types. */
export function learnedModel() {
  const layer = (stage) => [
    vector(stage, ROLE.attentionNorm, 20),
    matrix(stage, ROLE.q, TYPE.ternary, SCALE.row, 20, 20),
    matrix(stage, ROLE.k, TYPE.ternary, SCALE.tensor, 20, 20),
    matrix(stage, ROLE.v, TYPE.int8, SCALE.row, 20, 20),
    vector(stage, ROLE.qBias, 20, TYPE.f16),
    vector(stage, ROLE.kBias, 20),
    vector(stage, ROLE.vBias, 20, TYPE.f16),
    matrix(stage, ROLE.o, TYPE.ternary, SCALE.group128, 20, 20),
    vector(stage, ROLE.oBias, 20, TYPE.f16),
    vector(stage, ROLE.attentionNormBias, 20),
    vector(stage, ROLE.ffnNorm, 20, TYPE.f16),
    matrix(stage, ROLE.up, TYPE.ternary, SCALE.tensor, 40, 20),
    matrix(stage, ROLE.down, TYPE.f16, SCALE.none, 20, 40),
    vector(stage, ROLE.ffnNormBias, 20, TYPE.f16),
    vector(stage, ROLE.upBias, 40),
    vector(stage, ROLE.downBias, 20, TYPE.f16),
  ];
  return {
    config: {
      family: 3,
      flags: 1 | 8 | 16 | 32 | 64 | 128,
      layers: 2,
      hidden: 20,
      inner: 40,
      heads: 4,
      kvHeads: 4,
      headDim: 5, // odd: nothing is rotated
      vocabulary: 261,
      context: 24,
      activation: 3,
      activationBits: 8,
      normEpsilon: 2 ** -17,
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 0,
      stopTokens: [258],
    },
    rope: { scale: 1, frequencies: [] },
    tensors: [
      matrix(0, ROLE.embedding, TYPE.ternary, SCALE.row, 261, 20),
      matrix(0, ROLE.positionEmbedding, TYPE.ternary, SCALE.group64, 24, 20),
      ...layer(1),
      ...layer(2),
      vector(3, ROLE.outputNorm, 20, TYPE.f16),
      vector(3, ROLE.outputNormBias, 20),
    ],
    tokenizer: byteLevel(),
    about: null,
  };
}

/** Qwen-like: norms of q and k, and of every matrix, all biases beside a gate, a head of its own. */
export function headNormsModel() {
  return {
    config: {
      family: 4,
      flags: 32 | 64 | 128 | 256 | 8192,
      layers: 1,
      hidden: 12,
      inner: 20,
      heads: 4,
      kvHeads: 2,
      headDim: 6,
      vocabulary: 260,
      context: 32,
      activation: 1,
      activationBits: 8,
      normEpsilon: 2 ** -20,
      linearNormEpsilon: 2 ** -19,
      temperature: 0.5,
      topK: 20,
      topP: 0.875,
      minP: 0,
      stopTokens: [],
    },
    rope: { scale: 1.125, frequencies: [1, 0.125, 0.015625] },
    tensors: [
      matrix(0, ROLE.embedding, TYPE.ternary, SCALE.group128, 260, 12),
      vector(1, ROLE.attentionNorm, 12),
      matrix(1, ROLE.q, TYPE.ternary, SCALE.group128, 24, 12),
      matrix(1, ROLE.k, TYPE.ternary, SCALE.group128, 12, 12),
      matrix(1, ROLE.v, TYPE.f32, SCALE.none, 12, 12),
      vector(1, ROLE.qBias, 24),
      vector(1, ROLE.kBias, 12),
      vector(1, ROLE.vBias, 12),
      matrix(1, ROLE.o, TYPE.ternary, SCALE.group128, 12, 24),
      vector(1, ROLE.oBias, 12),
      vector(1, ROLE.qNorm, 6),
      vector(1, ROLE.kNorm, 6, TYPE.f16),
      vector(1, ROLE.ffnNorm, 12, TYPE.f16),
      matrix(1, ROLE.gate, TYPE.ternary, SCALE.group128, 20, 12),
      matrix(1, ROLE.up, TYPE.ternary, SCALE.group64, 20, 12),
      matrix(1, ROLE.down, TYPE.ternary, SCALE.group128, 12, 20),
      vector(1, ROLE.gateBias, 20),
      vector(1, ROLE.upBias, 20, TYPE.f16),
      vector(1, ROLE.downBias, 12),
      vector(1, ROLE.qInNorm, 12),
      vector(1, ROLE.kInNorm, 12, TYPE.f16),
      vector(1, ROLE.vInNorm, 12),
      vector(1, ROLE.oInNorm, 24),
      vector(1, ROLE.gateInNorm, 12),
      vector(1, ROLE.upInNorm, 12),
      vector(1, ROLE.downInNorm, 20, TYPE.f16),
      vector(2, ROLE.outputNorm, 12),
      matrix(2, ROLE.head, TYPE.ternary, SCALE.group128, 260, 12),
    ],
    tokenizer: byteLevel(),
    about: { name: "Golden head norms", licence: "MIT", source: "container_models.mjs" },
  };
}

/** BitMamba-like: states in place of attention, a head with a norm and a bias of its own, an odd number of channels a head. */
export function stateModel() {
  const layer = (stage, floats) => [
    vector(stage, ROLE.mixerNorm, 10),
    matrix(stage, ROLE.mixerIn, TYPE.ternary, SCALE.tensor, 2 * 20 + 3 * 4, 10),
    { ...vector(stage, ROLE.mixerConv, 20, floats), rows: 4 },
    vector(stage, ROLE.mixerConvBias, 20, floats),
    vector(stage, ROLE.mixerStepBias, 4),
    vector(stage, ROLE.mixerLogRate, 4, floats),
    vector(stage, ROLE.mixerSkip, 20),
    vector(stage, ROLE.mixerOutNorm, 20),
    matrix(stage, ROLE.mixerOut, TYPE.ternary, SCALE.row, 10, 20),
  ];
  return {
    config: {
      family: 6,
      flags: 512 | 1024 | 2048 | 4096,
      layers: 2,
      hidden: 10,
      inner: 20,
      heads: 4,
      kvHeads: 4,
      headDim: 5,
      vocabulary: 260,
      context: 1 << 12,
      activation: 1,
      activationBits: 8,
      normEpsilon: 2 ** -20,
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 0,
      stopTokens: [258],
    },
    rope: { scale: 1, frequencies: [] },
    tensors: [
      matrix(0, ROLE.embedding, TYPE.f32, SCALE.none, 260, 10),
      ...layer(1, TYPE.f32),
      ...layer(2, TYPE.f16),
      vector(3, ROLE.outputNorm, 10),
      matrix(3, ROLE.head, TYPE.ternary, SCALE.tensor, 260, 10),
      vector(3, ROLE.headBias, 260, TYPE.f16),
      vector(3, ROLE.headNorm, 10),
    ],
    tokenizer: byteLevel(),
    about: null,
  };
}

/**
 * What the damaged files start from: accepted by the container reader, but not a whole model (a
 * reader must refuse them for the damage, long before it would miss a tensor).
 */
export function smallModel() {
  const model = ternaryModel();
  return {
    ...model,
    tensors: [
      matrix(0, ROLE.embedding, TYPE.int8, SCALE.row, 12, 20),
      matrix(1, ROLE.q, TYPE.ternary, SCALE.tensor, 16, 20),
      matrix(1, ROLE.k, TYPE.ternary, SCALE.row, 8, 20),
      vector(2, ROLE.outputNorm, 20),
    ],
    about: { name: "Damaged", licence: "MIT", source: "" },
  };
}
