// Generated from core/include/tercet.h and core/container/container_layout.h by
// web/generate-constants.mjs; do not edit. A test generates it again and compares.

/** Pinned values of tercet_status. */
export const STATUS = {
  OK: 0,
  END_OF_TEXT: 1,
  FEWER_THREADS: 2,
  CONTEXT_FULL: 3,
  NEED_BYTES: 32,
  CANCELLED: 33,
  BAD_ARGUMENT: 64,
  OUT_OF_MEMORY: 65,
  DISABLED: 66,
  NO_KERNELS: 67,
  BAD_MAGIC: 80,
  VERSION_TOO_NEW: 81,
  TRUNCATED: 82,
  BAD_HEADER: 83,
  LIMIT_EXCEEDED: 84,
  HEADER_HASH_MISMATCH: 85,
  CHUNK_HASH_MISMATCH: 86,
  UNSUPPORTED: 87,
  TRAILING_BYTES: 88,
  INVALID_UTF8: 96,
  PROMPT_TOO_LONG: 97,
  BAD_TOKEN: 98,
  NO_CHAT_FORMAT: 99,
  BAD_STATE: 100,
  BAD_SOURCE: 112,
  NOT_TERNARY: 113,
  NOT_LOSSLESS: 114,
  UNSUPPORTED_SOURCE: 115,
  CANNOT_EXPORT: 116,
  FILE_NOT_FOUND: 128,
  FILE_READ_FAILED: 129,
  FILE_WRITE_FAILED: 130,
  DISK_FULL: 131,
} as const;

export type StatusName = keyof typeof STATUS;

/** What each status means and what to do. */
export const STATUS_TEXT: Readonly<Record<StatusName, string>> = {
  OK: "success",
  END_OF_TEXT: "the model ended its text",
  FEWER_THREADS: "fewer threads than asked for could be started",
  CONTEXT_FULL: "the context is full: start a new text or load with a larger context",
  NEED_BYTES: "the loader waits for bytes of the file",
  CANCELLED: "cancelled on request",
  BAD_ARGUMENT: "an argument is out of range: change it",
  OUT_OF_MEMORY: "not enough memory: use a smaller model or a smaller context",
  DISABLED: "an earlier error disabled this handle: destroy it and start again",
  NO_KERNELS: "no kernel set of that name works on this machine: leave the choice to Tercet",
  BAD_MAGIC: "not a .tercet file: check its name or address, or pack it",
  VERSION_TOO_NEW: "the file was written by a newer Tercet: update Tercet",
  TRUNCATED: "the file ends too early: download or pack it again",
  BAD_HEADER: "the header is damaged: download or pack the file again",
  LIMIT_EXCEEDED:
    "a size in the header is beyond the limits of the format: download or pack the file again",
  HEADER_HASH_MISMATCH: "the header does not match its hash: download or pack the file again",
  CHUNK_HASH_MISMATCH: "a chunk does not match its hash: download or pack the file again",
  UNSUPPORTED: "this version of Tercet cannot run this model: update Tercet",
  TRAILING_BYTES: "the file is longer than its header says: download or pack it again",
  INVALID_UTF8: "the text is not valid UTF-8: convert it",
  PROMPT_TOO_LONG: "the prompt does not fit into the context: shorten it or raise the context",
  BAD_TOKEN: "a token id is not in the vocabulary: use the ids of this model",
  NO_CHAT_FORMAT:
    "the model has no such chat format: continue plain text, or name a format that fits it",
  BAD_STATE: "the saved session is damaged, or of another model or version: begin a new one",
  BAD_SOURCE: "the model to pack is damaged or incomplete: download it again",
  NOT_TERNARY: "the weights are not ternary: pass --quantize absmean or --dense f16",
  NOT_LOSSLESS: "a packed weight differs from its source: please report this",
  UNSUPPORTED_SOURCE: "this kind of model cannot be packed yet: choose another file or model",
  CANNOT_EXPORT: "the model cannot be written in that format: choose another format",
  FILE_NOT_FOUND: "no such file: check its name",
  FILE_READ_FAILED: "the file cannot be read: check the disk and your rights, then try again",
  FILE_WRITE_FAILED: "the file cannot be written: check the folder and your rights, then try again",
  DISK_FULL: "the disk is full: free space and try again",
};

/** How keys and values of earlier tokens can be kept: TERCET_KV_*. */
export const KV = {
  f32: 1,
  f16: 2,
  int8: 3,
  int4: 4,
} as const;

/** Roles of messages: TERCET_CHAT_*. */
export const CHAT_ROLE = {
  system: 1,
  user: 2,
  assistant: 3,
} as const;

/** Asks for an answer without thinking. */
export const CHAT_NO_THINKING = 1;

/** Limits of a session. */
export const SESSION = {
  SPECULATION_AUTOMATIC: 8,
  LOGPROBS_TOP_MAX: 20,
  STATE_HEADER_BYTES: 64,
} as const;

/** Constants of the container format that a host needs. */
export const CONTAINER = {
  PREFIX_BYTES: 64,
  PREFIX_AT_SHA256: 32,
  CONTAINER_CHUNK_BYTES: 1048576,
  LIMIT_HEADER_BYTES: 67108864,
} as const;
