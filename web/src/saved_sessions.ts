// saved_sessions.ts: a session's text to the browser's storage and back, part by part, each part with its hash. What comes back is
// checked twice: here against its hash, in the core against what a text can be. Runs in the worker.
import { TercetError } from "./errors.js";
import type { RunControl } from "./run_control.js";
import type { OpenSession } from "./session_runner.js";
import { SessionStore, type SessionRecord } from "./session_store.js";
import type { ChatMessage, SavedSession } from "./types.js";

/** Of the parts in the store. */
const PART_BYTES = 1 << 20;
/** What goes in and out of the module at once: it has little room beside the model. */
const COPY_BYTES = 1 << 16;

export async function saveSession(
  open: OpenSession,
  name: string,
  messages: ChatMessage[],
  control: RunControl,
): Promise<SavedSession> {
  const { module, session } = open;
  const { modelId } = open.facts;
  const bytes = module.stateBytes(session);
  const { tokens } = module.sessionInfo(session);
  const save = crypto.randomUUID();
  const record = { modelId, name, save, tokens, bytes, messages, savedAt: Date.now() };
  const write = async (store: SessionStore) => {
    await store.sweep();
    try {
      const sha256: Uint8Array<ArrayBuffer>[] = [];
      for (let at = 0; at < bytes; at += PART_BYTES) {
        if (control.aborted) throw new TercetError("ABORTED");
        const part = new Uint8Array(Math.min(PART_BYTES, bytes - at));
        copy(open, part, (offset, address, count, piece) => {
          module.saveState(session, at + offset, address, count);
          piece.set(module.read(address, count));
        });
        sha256.push(await hash(part));
        await store.writePart(record, at / PART_BYTES, part.buffer);
      }
      await store.commit({ ...record, sha256 });
      return withoutHashes({ ...record, sha256 });
    } catch (thrown) {
      // What has been written of it is of no use.
      await store.sweep();
      throw thrown;
    }
  };
  return SessionStore.use("exclusive", write, control.signal);
}

/** null: there is none of that name. BAD_STATE: it is damaged; the session is then empty. */
export async function restoreSession(
  open: OpenSession,
  name: string,
  control: RunControl,
): Promise<SavedSession | null> {
  const { module, session } = open;
  const read = async (store: SessionStore) => {
    const record = await store.read(open.facts.modelId, name);
    if (!record) return null;
    try {
      // Without all of its hashes it would be taken for what the session holds now.
      if (record.sha256?.length !== Math.ceil(record.bytes / PART_BYTES))
        throw new TercetError("BAD_STATE", `the record of the session ${name}`);
      for (const [index, sha256] of record.sha256.entries()) {
        if (control.aborted) throw new TercetError("ABORTED");
        const bytes = await store.readPart(record, index);
        const part = bytes && new Uint8Array(bytes);
        if (!part || !(await hash(part)).every((byte, i) => byte === sha256[i]))
          throw new TercetError("BAD_STATE", `part ${index} of the session ${name}`);
        copy(open, part, (offset, address, count, piece) => {
          module.write(address, piece);
          module.restoreState(session, index * PART_BYTES + offset, address, count);
        });
      }
      if (module.sessionInfo(session).tokens !== record.tokens)
        throw new TercetError("BAD_STATE", `the session ${name} is not whole`);
      return withoutHashes(record);
    } catch (thrown) {
      module.resetSession(session);
      throw thrown;
    }
  };
  return SessionStore.use("shared", read, control.signal);
}

export async function listSessions(modelId: string): Promise<SavedSession[]> {
  return (await SessionStore.use(null, (store) => store.list(modelId))).map(withoutHashes);
}

/** One name, or with null all of a model; false when there was nothing. */
export function deleteSessions(modelId: string, name: string | null): Promise<boolean> {
  return SessionStore.use("exclusive", (store) => store.delete(modelId, name));
}

/** One piece after the other through a buffer of the module. */
function copy(
  { module }: OpenSession,
  part: Uint8Array,
  pass: (offset: number, address: number, count: number, piece: Uint8Array) => void,
): void {
  const buffer = module.createBuffer(Math.min(COPY_BYTES, part.length));
  try {
    for (let at = 0; at < part.length; at += COPY_BYTES) {
      const piece = part.subarray(at, at + COPY_BYTES);
      pass(at, buffer.address, piece.length, piece);
    }
  } finally {
    module.destroy(buffer.handle);
  }
}

async function hash(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

function withoutHashes(record: SessionRecord): SavedSession {
  const { name, tokens, bytes, savedAt, messages = [] } = record;
  return { name, tokens, bytes, savedAt, messages };
}
