// container_faults.mjs - how golden containers are made: a built file with one fault, and what a reader must answer to it. The lists
// themselves are goldens_*.mjs.

import { buildContainer, sealHeader } from "./container_file.mjs";
import { smallModel } from "./container_models.mjs";

/** { goldens, golden, fault }: a list, and the functions that put a file into it. */
export function startGoldens() {
  const goldens = [];

  /**
   * `reader` is what the container reader answers, `open` what a host answers that also compares the
   * hashes and the tensors with the configuration, `where` the offset of the reader's complaint.
   */
  function golden(name, { reader, open = reader, where = 0, file }) {
    goldens.push({ name: `${name}.tercet`, reader, open, where, file });
  }

  /** One damaged file: `change` gets a built file and returns where the reader must point. */
  function fault(name, reader, change, options = {}) {
    const { model = smallModel(), extraSections, shortened, open } = options;
    const built = buildContainer(model, extraSections, shortened);
    const where = change(built) ?? 0;
    if (!built.keepId) sealHeader(built.file, built.headerBytes);
    golden(name, { reader, open: open ?? reader, where, file: built.file });
  }

  return { goldens, golden, fault };
}

/** A change of a built file: a number at this place. */
export const u32 = (at, value) => (built) => {
  built.file.writeUInt32LE(value, at);
  return at;
};
export const u64 = (at, value) => (built) => {
  built.file.writeBigUInt64LE(BigInt(value), at);
  return at;
};
/** A field of a section: `at` counts from the section's first byte. */
export const inSection = (section, at, write) => (built) => {
  const offset = built.sections[section].at + at;
  write(built.file, offset);
  return offset;
};
export const u32In = (section, at, value) =>
  inSection(section, at, (file, to) => file.writeUInt32LE(value, to));
export const u64In = (section, at, value) =>
  inSection(section, at, (file, to) => file.writeBigUInt64LE(BigInt(value), to));
export const f32In = (section, at, value) =>
  inSection(section, at, (file, to) => file.writeFloatLE(value, to));
export const f64In = (section, at, value) =>
  inSection(section, at, (file, to) => file.writeDoubleLE(value, to));
export const byteIn = (section, at, value) =>
  inSection(section, at, (file, to) => file.writeUInt8(value, to));
/** A field of the section table. */
export const inEntry = (section, at, write) => (built) => {
  const offset = built.sections[section].entry + at;
  write(built.file, offset, built);
  return offset;
};
/** The small model with one change. */
export const changed = (change) => {
  const model = smallModel();
  change(model);
  return { model };
};
