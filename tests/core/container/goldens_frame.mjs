// goldens_frame.mjs - golden containers with a fault in the prefix or in the table of sections, or with sections that end early.

import { inEntry, startGoldens, u32, u64 } from "./container_faults.mjs";
import { buildContainer } from "./container_file.mjs";
import { smallModel } from "./container_models.mjs";

const { goldens, golden, fault } = startGoldens();
export { goldens };

// ---------------------------------------------------------------- prefix

fault("bad_magic", "BAD_MAGIC", (built) => {
  built.file[0] = 0x09; // the high bit lost
});
golden("short_prefix", {
  reader: "TRUNCATED",
  where: 40,
  file: buildContainer(smallModel()).file.subarray(0, 40),
});
golden("other_format", { reader: "BAD_MAGIC", file: Buffer.from("GGUF\x03\0\0\0 and so on\n") });
fault("version_zero", "BAD_HEADER", u32(8, 0));
fault("version_too_new", "VERSION_TOO_NEW", u32(8, 2));
fault("no_sections", "BAD_HEADER", u32(12, 0));
fault("too_many_sections", "LIMIT_EXCEEDED", u32(12, 33));
fault("header_bytes_too_small", "BAD_HEADER", u64(16, 192));
fault("header_bytes_unaligned", "BAD_HEADER", (built) => u64(16, built.headerBytes + 8)(built));
fault("header_bytes_huge", "LIMIT_EXCEEDED", u64(16, (64 << 20) + 64));
fault("file_bytes_huge", "LIMIT_EXCEEDED", u64(24, 2n ** 40n + 64n));
fault("file_bytes_below_header", "BAD_HEADER", (built) => u64(24, built.headerBytes - 64)(built));
{
  const whole = buildContainer(smallModel());
  const cut = (bytes) => ({
    reader: "TRUNCATED",
    where: bytes,
    file: whole.file.subarray(0, bytes),
  });
  golden("truncated_header", cut(whole.headerBytes - 100));
  golden("truncated_data", cut(whole.file.length - 1));
  golden("trailing_bytes", {
    reader: "TRAILING_BYTES",
    where: whole.file.length,
    file: Buffer.concat([whole.file, Buffer.from([0])]),
  });
}

// ---------------------------------------------------------------- section table

fault("section_unknown_required", "UNSUPPORTED", (built) => built.sections.about.entry + 24, {
  extraSections: [{ id: 8, flags: 1, bytes: Buffer.from("needed") }],
});
fault(
  "section_id_zero",
  "BAD_HEADER",
  inEntry("config", 0, (file, at) => file.writeUInt32LE(0, at)),
);
fault(
  "section_twice",
  "BAD_HEADER",
  inEntry("rope", 0, (file, at) => file.writeUInt32LE(1, at)),
);
fault("section_ids_fall", "BAD_HEADER", (built) => {
  built.file.writeUInt32LE(3, built.sections.rope.entry);
  built.file.writeUInt32LE(2, built.sections.tensors.entry);
  return built.sections.tensors.entry;
});
fault(
  "section_flag_unknown",
  "BAD_HEADER",
  inEntry("about", 4, (file, at) => file.writeUInt32LE(2, at)),
);
fault(
  "section_not_required",
  "BAD_HEADER",
  inEntry("config", 4, (file, at) => file.writeUInt32LE(0, at)),
);
fault("section_missing", "BAD_HEADER", (built) => {
  // TOKENIZER becomes an optional section that nobody knows.
  built.file.writeUInt32LE(6, built.sections.tokenizer.entry);
  built.file.writeUInt32LE(0, built.sections.tokenizer.entry + 4);
  return 64;
});
fault(
  "section_hole",
  "BAD_HEADER",
  inEntry("rope", 8, (file, at, built) =>
    file.writeBigUInt64LE(BigInt(built.sections.rope.at + 64), at),
  ),
);
fault(
  "section_overlap",
  "BAD_HEADER",
  inEntry("rope", 8, (file, at, built) =>
    file.writeBigUInt64LE(BigInt(built.sections.config.at), at),
  ),
);
fault(
  "section_beyond_header",
  "BAD_HEADER",
  inEntry("about", 16, (file, at) => file.writeBigUInt64LE(2n ** 63n, at)),
);
fault("section_padding_not_zero", "BAD_HEADER", (built) => {
  const at = built.sections.rope.at + built.sections.rope.bytes;
  built.file[at] = 1;
  return at;
});
fault(
  "header_longer_than_sections",
  "BAD_HEADER",
  ({ file }) => {
    // The last section leaves the table; its 64 zero bytes stay.
    const count = file.readUInt32LE(12) - 1;
    file.writeUInt32LE(count, 12);
    file.fill(0, 64 + 24 * count, 64 + 24 * (count + 1));
    return 16;
  },
  { extraSections: [{ id: 200, flags: 0, bytes: Buffer.alloc(64) }] },
);

// Sections that end inside their first fields.
for (const [section, bytes, where] of [
  ["rope", 3, 3],
  ["tensors", 0, 0],
  ["tokenizer", 3, 3],
  ["tokenizer", 10, 10],
  ["tokenizer", 34, 34],
  ["tokenizer", 60, 60],
  ["about", 8, 8],
])
  fault(
    `${section}_of_${bytes}_bytes`,
    "BAD_HEADER",
    (built) => built.sections[section].at + where,
    { shortened: { [section]: bytes } },
  );
