// goldens_tokenizer.mjs - golden containers with a fault in the tables of TOKENIZER.

import { byteIn, changed, startGoldens, u32In } from "./container_faults.mjs";
import { NO_TOKEN, tokenizerTables } from "./container_file.mjs";
import { smallModel, wordPieceModel } from "./container_models.mjs";

const { goldens, fault } = startGoldens();
export { goldens };

const table = tokenizerTables(smallModel().tokenizer);
const inTokenizer = (change) => changed((model) => change(model.tokenizer));
fault("tokenizer_kind", "UNSUPPORTED", u32In("tokenizer", 0, 99));
fault("tokenizer_merges_of_wordpiece", "BAD_HEADER", u32In("tokenizer", 20, 1), {
  model: wordPieceModel(),
});
fault("tokenizer_splitter", "UNSUPPORTED", u32In("tokenizer", 4, 4));
fault("tokenizer_splitter_of_sentencepiece", "BAD_HEADER", u32In("tokenizer", 4, 1));
fault("tokenizer_flags", "UNSUPPORTED", u32In("tokenizer", 8, 2 ** 31));
fault("tokenizer_no_tokens", "BAD_HEADER", u32In("tokenizer", 12, 0));
fault("tokenizer_beyond_vocabulary", "BAD_HEADER", u32In("tokenizer", 12, 13));
fault("tokenizer_merges_huge", "LIMIT_EXCEEDED", u32In("tokenizer", 20, 2 ** 22 + 1));
fault("tokenizer_sizes", "BAD_HEADER", (built) => {
  u32In("tokenizer", 20, 5)(built);
  return built.sections.tokenizer.at;
});
fault("tokenizer_beginning", "BAD_HEADER", u32In("tokenizer", 32, 12));
fault("tokenizer_no_beginning", "BAD_HEADER", u32In("tokenizer", 32, NO_TOKEN));
fault("tokenizer_unknown", "BAD_HEADER", u32In("tokenizer", 36, 12));
fault("tokenizer_reserved", "BAD_HEADER", byteIn("tokenizer", 63, 1));
fault("text_begins_late", "BAD_HEADER", u32In("tokenizer", table.textOffsets, 1));
fault("text_falls", "BAD_HEADER", u32In("tokenizer", table.textOffsets + 8, 0), {
  ...inTokenizer((tokenizer) => (tokenizer.tokens[0].text = "<unk>")),
});
fault("text_beyond_end", "BAD_HEADER", u32In("tokenizer", table.textOffsets + 44, 0xffff));
// The last token loses its only byte, which then belongs to none.
fault(
  "text_ends_early",
  "BAD_HEADER",
  ({ file, sections }) => {
    const at = sections.tokenizer.at + table.textOffsets + 48;
    file.writeUInt32LE(file.readUInt32LE(at) - 1, at);
    return at;
  },
  {
    ...inTokenizer((tokenizer) => (tokenizer.tokens[11].text = "x")),
  },
);
fault(
  "text_too_long",
  "LIMIT_EXCEEDED",
  (built) => built.sections.tokenizer.at + table.textOffsets + 48,
  {
    ...inTokenizer((tokenizer) => (tokenizer.tokens[11].text = "x".repeat(1025))),
  },
);
fault("token_kind", "UNSUPPORTED", byteIn("tokenizer", table.kinds + 4, 7));
fault("token_kind_zero", "UNSUPPORTED", byteIn("tokenizer", table.kinds + 4, 0));
fault("token_byte_of_two", "BAD_HEADER", byteIn("tokenizer", table.kinds + 10, 6));
fault(
  "kinds_padding",
  "BAD_HEADER",
  (built) => {
    const at = built.sections.tokenizer.at + table.kinds - 4 + 11;
    built.file[at] = 1;
    return at;
  },
  {
    ...inTokenizer((tokenizer) => tokenizer.tokens.pop()),
  },
);
fault("sorted_no_token", "BAD_HEADER", u32In("tokenizer", table.sorted, 12));
fault("sorted_falls", "BAD_HEADER", (built) => built.sections.tokenizer.at + table.sorted + 4, {
  ...inTokenizer((tokenizer) => tokenizer.sorted.reverse()),
});
fault("sorted_twice", "BAD_HEADER", u32In("tokenizer", table.sorted + 4, 4));
fault(
  "sorted_prefix_last",
  "BAD_HEADER",
  (built) => built.sections.tokenizer.at + table.sorted + 4,
  {
    ...inTokenizer((tokenizer) => ([tokenizer.sorted[0], tokenizer.sorted[1]] = [8, 4])),
  },
);
fault("sorted_byte_token", "BAD_HEADER", u32In("tokenizer", table.sorted + 12, 3));
fault("sorted_without_text", "BAD_HEADER", u32In("tokenizer", table.sorted, 11));
fault("byte_token_no_token", "BAD_HEADER", u32In("tokenizer", table.byteTokens + 4 * 0x41, 12));
fault("byte_token_other_text", "BAD_HEADER", u32In("tokenizer", table.byteTokens + 4 * 0x42, 3));
fault("byte_token_long_text", "BAD_HEADER", u32In("tokenizer", table.byteTokens + 4 * 0x61, 7));
fault(
  "merge_no_token",
  "BAD_HEADER",
  (built) => u32In("tokenizer", table.merges + 12, 12)(built) - 12,
);
fault("merges_fall", "BAD_HEADER", (built) => built.sections.tokenizer.at + table.merges + 16, {
  ...inTokenizer((tokenizer) => tokenizer.merges.reverse()),
});
fault("merge_twice", "BAD_HEADER", (built) => built.sections.tokenizer.at + table.merges + 16, {
  ...inTokenizer((tokenizer) => (tokenizer.merges[1] = tokenizer.merges[0])),
});
fault(
  "merge_other_text",
  "BAD_HEADER",
  (built) => u32In("tokenizer", table.merges + 12, 7)(built) - 12,
);
fault(
  "merge_other_length",
  "BAD_HEADER",
  (built) => u32In("tokenizer", table.merges + 12, 9)(built) - 12,
);
fault("special_no_token", "BAD_HEADER", u32In("tokenizer", table.specials, 12));
fault("special_without_text", "BAD_HEADER", u32In("tokenizer", table.specials + 4, 11));
fault(
  "specials_shorter_first",
  "BAD_HEADER",
  (built) => built.sections.tokenizer.at + table.specials + 4,
  {
    ...inTokenizer((tokenizer) => tokenizer.specials.reverse()),
  },
);
fault(
  "specials_of_one_length_fall",
  "BAD_HEADER",
  (built) => built.sections.tokenizer.at + table.specials + 8,
  {
    ...inTokenizer((tokenizer) => {
      tokenizer.tokens[0].text = "<u>";
      tokenizer.specials.push(0); // behind "<s>", which is token 1
    }),
  },
);
fault("special_twice", "BAD_HEADER", u32In("tokenizer", table.specials + 4, 2));
