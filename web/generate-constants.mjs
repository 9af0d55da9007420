// generate-constants.mjs: writes web/src/generated_constants.ts from what the native twin says of itself
// (`tercet constants`), so that a status or a format constant has one home, in C.
//
//   node web/generate-constants.mjs [--program build/native/tercet] [--json FILE] [--check]
//
// --check writes nothing and exits 1 when the file is not what it would write.
// It must never invent a value: what the program does not print is an error here.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";

const TARGET = fileURLToPath(new URL("src/generated_constants.ts", import.meta.url));
const PROGRAM = fileURLToPath(new URL("../build/native/tercet", import.meta.url));

// What JavaScript uses of the container; everything else about the format is the core's business.
const CONTAINER_NAMES = [
  "PREFIX_BYTES",
  "PREFIX_AT_SHA256",
  "CONTAINER_CHUNK_BYTES",
  "LIMIT_HEADER_BYTES",
];

/** The text of generated_constants.ts for the JSON that `tercet constants` prints. */
export async function renderConstants(json) {
  const constants = JSON.parse(json);
  if (!Array.isArray(constants.status) || constants.status.length === 0)
    throw new Error("`tercet constants` gave no list of statuses");
  const rows = constants.status.map(({ name, value, text }) => {
    if (!/^[A-Z0-9_]+$/.test(name) || !Number.isInteger(value) || typeof text !== "string")
      throw new Error(
        `\`tercet constants\` gave a bad status: ${JSON.stringify({ name, value, text })}`,
      );
    return { name, value, text };
  });
  const container = CONTAINER_NAMES.map((name) => {
    const value = constants.container?.[name];
    if (!Number.isInteger(value))
      throw new Error(`\`tercet constants\` gave no container constant ${name}`);
    return `${name}: ${value},`;
  });
  const kv = Object.entries(constants.kv ?? {});
  if (kv.length === 0 || !kv.every(([name, code]) => /^\w+$/.test(name) && Number.isInteger(code)))
    throw new Error("`tercet constants` gave no forms of the cache");
  const { NO_THINKING, ...roles } = constants.chat ?? {};
  if (![NO_THINKING, roles.system, roles.user, roles.assistant].every(Number.isInteger))
    throw new Error("`tercet constants` gave no roles of a chat");
  const session = Object.entries(constants.session ?? {});
  if (session.length === 0 || !session.every(([, value]) => Number.isInteger(value)))
    throw new Error("`tercet constants` gave no limits of a session");
  const source = `// Generated from core/include/tercet.h and core/container/container_layout.h by
// web/generate-constants.mjs; do not edit. A test generates it again and compares.

/** Pinned values of tercet_status. */
export const STATUS = {
${rows.map(({ name, value }) => `${name}: ${value},`).join("\n")}
} as const;

export type StatusName = keyof typeof STATUS;

/** What each status means and what to do. */
export const STATUS_TEXT: Readonly<Record<StatusName, string>> = {
${rows.map(({ name, text }) => `${name}: ${JSON.stringify(text)},`).join("\n")}
};

/** How keys and values of earlier tokens can be kept: TERCET_KV_*. */
export const KV = {
${kv.map(([name, code]) => `${name}: ${code},`).join("\n")}
} as const;

/** Roles of messages: TERCET_CHAT_*. */
export const CHAT_ROLE = {
${Object.entries(roles)
  .map(([name, code]) => `${name}: ${code},`)
  .join("\n")}
} as const;

/** Asks for an answer without thinking. */
export const CHAT_NO_THINKING = ${NO_THINKING};

/** Limits of a session. */
export const SESSION = {
${session.map(([name, value]) => `${name}: ${value},`).join("\n")}
} as const;

/** Constants of the container format that a host needs. */
export const CONTAINER = {
${container.join("\n")}
} as const;
`;
  return format(source, { ...(await resolveConfig(TARGET)), parser: "typescript" });
}

function argumentAfter(name) {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = argumentAfter("--json");
  const json = file
    ? readFileSync(file, "utf8")
    : execFileSync(argumentAfter("--program") ?? PROGRAM, ["constants"], { encoding: "utf8" });
  const text = await renderConstants(json);
  if (!process.argv.includes("--check")) {
    writeFileSync(TARGET, text);
  } else if (readFileSync(TARGET, "utf8") !== text) {
    console.error(
      "web/src/generated_constants.ts is out of date: run node web/generate-constants.mjs",
    );
    process.exit(1);
  }
}
