// pack_options.ts: what load() may be told about packing a GGUF file: the words of `tercet pack`, checked where they come in
// and turned into the numbers that the module takes. Their order is held against C's in wasm/packer_abi.c.
import { requireThat } from "./checks.js";
import type { PackOptions } from "./types.js";

const WORDS = {
  quantize: ["none", "absmean"],
  dense: ["no", "f16", "f32", "q8"],
  embedding: ["exact", "f16", "f32", "q8", "ternary"],
  i2sLayout: ["x86", "arm", "row4"],
} as const;

/** Checked, with what was not given left out, in the order of this file: equal options give equal text. */
export function packOptions(given: PackOptions): PackOptions {
  const checked: Record<string, string> = {};
  for (const [name, words] of Object.entries(WORDS)) {
    const word = given[name as keyof typeof WORDS];
    if (word === undefined) continue;
    const known = (words as readonly string[]).includes(word);
    requireThat(known, `pack.${name} is one of ${words.join(", ")}`);
    if (word !== words[0]) checked[name] = word;
  }
  const { chatFormat } = given;
  requireThat(
    chatFormat === undefined || (typeof chatFormat === "string" && /^\w{1,32}$/.test(chatFormat)),
    'pack.chatFormat is the name of a format, or "none"',
  );
  if (chatFormat !== undefined) checked.chatFormat = chatFormat;
  return checked;
}

/** Place in its list of words. */
export function packWord(options: PackOptions, name: keyof typeof WORDS): number {
  return Math.max(0, (WORDS[name] as readonly (string | undefined)[]).indexOf(options[name]));
}
