// storage_room.ts: how much more this site may store, as the browser says. An estimate: a write may fail all the same.

/** What the browser says; nothing where it does not (private windows, policies, a storage that is broken). */
export async function storageEstimate(): Promise<StorageEstimate> {
  return (await navigator.storage?.estimate?.().catch(() => null)) ?? {};
}

/** Bytes; Infinity where nobody says. */
export async function roomLeft(): Promise<number> {
  const { usage, quota } = await storageEstimate();
  return usage === undefined || quota === undefined ? Infinity : Math.max(0, quota - usage);
}

/** For people. */
export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
