// goldens_chat.mjs - golden containers with a fault in CHAT, the format of conversations, or in ABOUT, the names.

import { byteIn, inEntry, startGoldens, u32In } from "./container_faults.mjs";
import { chatTables } from "./container_file.mjs";
import { chatModel } from "./container_models.mjs";

const { goldens, fault } = startGoldens();
export { goldens };

// ---------------------------------------------------------------- CHAT

const chat = chatTables(chatModel().chat);
/** A damaged field of the section, in the model that has one. */
const chatFault = (name, reader, change, edit = () => {}) => {
  const model = chatModel();
  edit(model.chat);
  fault(name, reader, change, { model });
};
/** A format that nobody writes with tools: the offset is of the section's `at`. */
const chatWhere = (at) => (built) => built.sections.chat.at + at;
const PART_ENDS = 56;

chatFault(
  "chat_required",
  "BAD_HEADER",
  inEntry("chat", 4, (file, at) => file.writeUInt32LE(1, at)),
);
chatFault("chat_unknown_flag", "UNSUPPORTED", u32In("chat", 0, 7));
chatFault("chat_no_name", "BAD_HEADER", u32In("chat", 4, 1));
chatFault("chat_name_huge", "LIMIT_EXCEEDED", u32In("chat", 4, 33));
chatFault("chat_name_capital", "BAD_HEADER", byteIn("chat", chat.name, 0x47));
chatFault("chat_name_unterminated", "BAD_HEADER", byteIn("chat", chat.system - 1, 0x2e));
chatFault("chat_system_huge", "LIMIT_EXCEEDED", u32In("chat", 8, 65537));
chatFault("chat_system_not_utf8", "BAD_HEADER", byteIn("chat", chat.system + 2, 0x80));
chatFault("chat_system_control_character", "BAD_HEADER", byteIn("chat", chat.system, 0x1b));
chatFault("chat_too_many_stops", "LIMIT_EXCEEDED", u32In("chat", 12, 9));
chatFault("chat_stop_no_token", "BAD_HEADER", u32In("chat", 16, 260));
chatFault("chat_unused_stop", "BAD_HEADER", u32In("chat", 16 + 4 * 7, 0));
chatFault("chat_too_many_segments", "LIMIT_EXCEEDED", u32In("chat", 48, 257));
chatFault("chat_text_huge", "LIMIT_EXCEEDED", u32In("chat", 52, 65537));
chatFault("chat_part_falls", "BAD_HEADER", u32In("chat", PART_ENDS + 4, 0));
chatFault("chat_part_beyond_segments", "BAD_HEADER", u32In("chat", PART_ENDS + 4, 200));
chatFault("chat_part_beyond_limit", "LIMIT_EXCEEDED", u32In("chat", PART_ENDS + 4, 257));
chatFault("chat_last_part_short", "BAD_HEADER", u32In("chat", PART_ENDS + 40, 16));
chatFault("chat_reserved", "BAD_HEADER", byteIn("chat", 127, 1));
chatFault("chat_size", "BAD_HEADER", (built) => {
  u32In("chat", 8, 3)(built);
  return built.sections.chat.at;
});
chatFault("chat_segment_no_token", "BAD_HEADER", u32In("chat", chat.segments, 260));
chatFault("chat_segment_token_and_text", "BAD_HEADER", (built) => {
  u32In("chat", chat.segments + 4, 1)(built);
  return built.sections.chat.at + chat.segments;
});
chatFault("chat_segment_empty", "BAD_HEADER", chatWhere(chat.segments + 8), (format) => {
  format.parts[1] = [""];
});
chatFault("chat_segment_beyond_text", "BAD_HEADER", u32In("chat", chat.segments + 8 + 4, 4000));
chatFault(
  "chat_segment_beyond_limit",
  "LIMIT_EXCEEDED",
  u32In("chat", chat.segments + 8 + 4, 65537),
);
chatFault("chat_text_left_over", "BAD_HEADER", (built) => {
  // The last segment, "</think>", loses its last byte.
  u32In("chat", chat.name - 4, 7)(built);
  return built.sections.chat.at + 52;
});
chatFault("chat_text_not_utf8", "BAD_HEADER", byteIn("chat", chat.text + 3, 0xff));
chatFault(
  "chat_character_in_two_segments",
  "BAD_HEADER",
  (built) => {
    // "é" and "x" where the first segment takes only the first byte of the character.
    u32In("chat", chat.segments + 8 + 4, 1)(built);
    u32In("chat", chat.segments + 16 + 4, 2)(built);
    return built.sections.chat.at + chat.text + 8;
  },
  (format) => {
    format.parts[1] = ["\u00e9", "x"];
  },
);
chatFault(
  "chat_thinking_of_two_segments",
  "BAD_HEADER",
  chatWhere(PART_ENDS + 4 * 10),
  (format) => {
    format.parts[10] = ["</", "think>"];
  },
);
chatFault("chat_thinking_without_end", "BAD_HEADER", chatWhere(0), (format) => {
  format.flags = 1;
  format.parts[10] = [];
});
chatFault("chat_thinking_dropped_without_end", "BAD_HEADER", chatWhere(0), (format) => {
  format.parts[9] = [];
  format.parts[10] = [];
});
chatFault("chat_thinking_long", "LIMIT_EXCEEDED", chatWhere(chat.segments + 8 * 16), (format) => {
  format.parts[10] = ["x".repeat(65)];
});
chatFault(
  "chat_thinking_half_character",
  "BAD_HEADER",
  chatWhere(chat.segments + 8 * 16),
  (format) => {
    format.parts[10] = [0xc3]; // the token of that byte
  },
);

// ---------------------------------------------------------------- ABOUT

fault("about_no_name", "BAD_HEADER", u32In("about", 0, 0));
fault("about_name_huge", "LIMIT_EXCEEDED", u32In("about", 0, 4097));
fault("about_size", "BAD_HEADER", (built) => {
  u32In("about", 0, 9)(built);
  return built.sections.about.at;
});
fault("about_reserved", "BAD_HEADER", byteIn("about", 15, 1));
fault("about_not_utf8", "BAD_HEADER", byteIn("about", 16, 0xff));
fault("about_control_character", "BAD_HEADER", byteIn("about", 17, 0x1b));
fault("about_zero_inside", "BAD_HEADER", byteIn("about", 18, 0));
fault("about_unterminated", "BAD_HEADER", byteIn("about", 16 + 7, 0x21));
