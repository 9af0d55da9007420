// database.ts: what all our databases in IndexedDB have in common: one version, way for another tab that wants to delete them, errors with
// our codes, and two things of browsers: a transaction that fails says so twice, and the disk may lose a record's bytes.
import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import { describe, TercetError } from "./errors.js";

export type Database<Schema extends DBSchema> = IDBPDatabase<Schema>;

/** `make` the stores of a fresh one. */
export function openDatabase<Schema extends DBSchema>(
  name: string,
  make: (fresh: Database<Schema>) => void,
): Promise<Database<Schema>> {
  return openDB<Schema>(name, 1, {
    upgrade: make,
    // Another tab wants to upgrade or delete the database: let it; our next call fails and is handled.
    blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
  });
}

/**
 * The transaction, whose end nobody has to wait for: a request that fails rejects by itself, and `done` as well, which would be a
 * rejection that nobody handles, and the end of the worker.
 */
export function quiet<Transaction extends { done: Promise<void> }>(
  transaction: Transaction,
): Transaction {
  transaction.done.catch(() => {});
  return transaction;
}

/** Of a transaction that was ended before its answer: nothing is known of the record. */
const ENDED = ["AbortError", "InvalidStateError", "TransactionInactiveError", "TimeoutError"];

/**
 * Large records lie in files of their own, which a browser may lose (a full disk, a cleaner, a crash) while it still has their
 * keys: such a record is not there, and is replaced or swept out. A question that was not answered says no such thing.
 */
export function unlessLost<Value>(record: Promise<Value>): Promise<Value | undefined> {
  return record.catch((thrown: unknown) => {
    if (ENDED.includes((thrown as Error).name)) throw thrown;
    return undefined;
  });
}

/** QUOTA_EXCEEDED or STORAGE_FAILED, but for errors that are ours already. */
export function storageError(thrown: unknown): TercetError {
  if (thrown instanceof TercetError) return thrown as TercetError;
  const full = thrown instanceof Error && thrown.name === "QuotaExceededError";
  return new TercetError(full ? "QUOTA_EXCEEDED" : "STORAGE_FAILED", describe(thrown), {
    cause: thrown,
  });
}
