// container_seeds.mjs - where the fuzzers of the container's header and of its loader start: the header of each model, and ways to load.

import { buildContainer } from "./container_file.mjs";
import {
  chatModel,
  denseModel,
  headNormsModel,
  learnedModel,
  smallModel,
  stateModel,
  ternaryModel,
  wordPieceModel,
} from "./container_models.mjs";

/** Where the fuzzers start: path below tests/fuzz/corpus/ -> bytes. */
export function fuzzSeeds() {
  const seeds = new Map();
  const models = {
    ternary: ternaryModel(),
    dense: denseModel(),
    small: smallModel(),
    learned: learnedModel(),
    head_norms: headNormsModel(),
    chat: chatModel(),
    states: stateModel(),
    wordpiece: wordPieceModel(),
  };
  for (const [name, model] of Object.entries(models)) {
    const { file, headerBytes } = buildContainer(model);
    seeds.set(`fuzz_container_header/seed_${name}`, file.subarray(0, headerBytes));
  }
  const optional = buildContainer(smallModel(), [{ id: 8, flags: 0, bytes: Buffer.from("new") }]);
  seeds.set(
    "fuzz_container_header/seed_optional_section",
    optional.file.subarray(0, optional.headerBytes),
  );
  // How to load stands in front of the file: see fuzz_container_loader.c.
  const loads = {
    copied: [0, 0, 0, 0],
    copied_known_size: [2, 0, 0, 0],
    mapped: [1, 0, 0, 0],
    mapped_wrong_size: [1, 0, 0, 1],
    no_header_memory: [0, 1, 0, 0],
    no_data_memory: [0, 2, 0, 0],
    place_out_of_turn: [0, 0, 1, 0],
    give_out_of_turn: [0, 0, 2, 0],
  };
  const { file } = buildContainer(smallModel());
  for (const [name, how] of Object.entries(loads))
    seeds.set(`fuzz_container_loader/seed_${name}`, Buffer.concat([Buffer.from(how), file]));
  return seeds;
}
