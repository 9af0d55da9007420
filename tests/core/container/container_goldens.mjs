// container_goldens.mjs - the golden containers: well-formed ones, and one for each fault that a reader
// must refuse, with the answer that it must give.
//
// Why it exists: the files in tests/golden/container/ are read by C and by JavaScript tests; this is
// where they come from. Every damaged file has one fault and, unless the fault is the hash itself, a
// right model id, so that nothing but the fault can be the reason of its refusal.

import { goldens as chatGoldens } from "./goldens_chat.mjs";
import { goldens as fieldsGoldens } from "./goldens_fields.mjs";
import { goldens as frameGoldens } from "./goldens_frame.mjs";
import { goldens as modelGoldens } from "./goldens_model.mjs";
import { goldens as tokenizerGoldens } from "./goldens_tokenizer.mjs";

const goldens = [
  ...modelGoldens,
  ...frameGoldens,
  ...fieldsGoldens,
  ...tokenizerGoldens,
  ...chatGoldens,
];

/** Everything that tests/golden/container/ holds: name -> bytes. */
export function goldenFiles() {
  const files = new Map(goldens.map(({ name, file }) => [name, Buffer.from(file)]));
  const lines = goldens.map(({ name, reader, open, where }) =>
    [name, reader, open, where].join("\t"),
  );
  const table = ["# file\treader\topen\twhere", ...lines.sort(), ""].join("\n");
  return files.set("expected.tsv", Buffer.from(table));
}
