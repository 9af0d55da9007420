// make-sentencepiece-models.mjs - writes the SentencePiece files among the golden files.
//
//   node tests/golden/tokenizers/make-sentencepiece-models.mjs llama2c TOKENIZER.bin OUT.model
//   node tests/golden/tokenizers/make-sentencepiece-models.mjs gguf VOCABULARY.gguf OUT.model
//
// Why it exists: stories260K comes with its vocabulary in llama2.c's own form only, and the Llama
// vocabulary with an MIT licence as a GGUF file of llama.cpp; this packs the same pieces, scores and
// types as the ModelProto that SentencePiece itself would write. Run by hand when a source changes;
// no test runs it. It must never invent a piece or a score.

import { readFileSync, writeFileSync } from "node:fs";

const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const BYTE = 6;

/** llama2.c: u32 longest piece, then for each piece f32 score, u32 bytes, text ("▁" as a space). */
function readLlama2c(bytes) {
  const pieces = [];
  for (let at = 4; at < bytes.length;) {
    const score = bytes.readFloatLE(at);
    const length = bytes.readUInt32LE(at + 4);
    const text = bytes.toString("utf8", at + 8, at + 8 + length);
    at += 8 + length;
    const id = pieces.length;
    if (id === 0) pieces.push({ text: "<unk>", score, type: UNKNOWN });
    else if (id <= 2) pieces.push({ text: text.trim(), score, type: CONTROL });
    else if (id < 3 + 256) pieces.push({ text, score, type: BYTE });
    else pieces.push({ text: text.replaceAll(" ", "▁"), score, type: NORMAL });
  }
  return pieces;
}

/** GGUF version 3: tokenizer.ggml.{tokens,scores,token_type}; the types are SentencePiece's. */
function readGguf(bytes) {
  let at = 8;
  const u32 = () => bytes.readUInt32LE((at += 4) - 4);
  const u64 = () => Number(bytes.readBigUInt64LE((at += 8) - 8));
  const text = () => {
    const length = u64();
    return bytes.toString("utf8", at, (at += length));
  };
  const readers = [
    () => bytes.readUInt8((at += 1) - 1),
    () => bytes.readInt8((at += 1) - 1),
    () => bytes.readUInt16LE((at += 2) - 2),
    () => bytes.readInt16LE((at += 2) - 2),
    u32,
    () => bytes.readInt32LE((at += 4) - 4),
    () => bytes.readFloatLE((at += 4) - 4),
    () => bytes.readUInt8((at += 1) - 1),
    text,
    () => {
      const type = u32();
      return Array.from({ length: u64() }, () => readers[type]());
    },
    u64,
    u64,
    () => bytes.readDoubleLE((at += 8) - 8),
  ];
  if (bytes.toString("latin1", 0, 4) !== "GGUF") throw new Error("not a GGUF file");
  u64(); // tensors
  const values = new Map();
  for (let left = u64(); left > 0; left--) {
    const key = text();
    values.set(key, readers[u32()]());
  }
  const [tokens, scores, types] = ["tokens", "scores", "token_type"].map((name) =>
    values.get(`tokenizer.ggml.${name}`),
  );
  // Phi-3 adds tokens behind the 32,000 pieces of Llama, which SentencePiece does not know.
  return tokens
    .slice(0, 32000)
    .map((piece, id) => ({ text: piece, score: scores[id], type: types[id] }));
}

// ---- protocol buffers, the writing half

function varint(value) {
  const out = [];
  for (let left = BigInt.asUintN(64, BigInt(value)); ;) {
    const low = Number(left & 0x7fn);
    left >>= 7n;
    out.push(left > 0n ? low | 0x80 : low);
    if (left === 0n) return Buffer.from(out);
  }
}

const number = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);
const bytesOf = (field, value) => {
  const body = Buffer.from(value);
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body]);
};
const float = (field, value) => {
  const body = Buffer.alloc(4);
  body.writeFloatLE(value);
  return Buffer.concat([varint(field * 8 + 5), body]);
};

/** ModelProto of sentencepiece_model.proto with the settings of a Llama: BPE, byte fallback. */
function modelProto(pieces) {
  const trainer = [number(3, 2), number(4, pieces.length), number(35, 1), number(40, 0)];
  trainer.push(number(41, 1), number(42, 2), number(43, -1));
  const normalizer = [bytesOf(1, "identity"), number(3, 1), number(4, 0), number(5, 1)];
  return Buffer.concat([
    ...pieces.map(({ text, score, type }) =>
      bytesOf(
        1,
        Buffer.concat([
          bytesOf(1, text),
          float(2, score),
          ...(type === NORMAL ? [] : [number(3, type)]),
        ]),
      ),
    ),
    bytesOf(2, Buffer.concat(trainer)),
    bytesOf(3, Buffer.concat(normalizer)),
  ]);
}

const [form, source, target] = process.argv.slice(2);
const read = { llama2c: readLlama2c, gguf: readGguf }[form];
if (!read || !target) {
  console.error("usage: make-sentencepiece-models.mjs llama2c|gguf SOURCE TARGET");
  process.exit(2);
}
writeFileSync(target, modelProto(read(readFileSync(source))));
