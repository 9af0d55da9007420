// storage_room.ts: how much more this site may store, as the browser says. An estimate: a write may fail all the same.

/** Bytes; Infinity where nobody says. */
export async function roomLeft(): Promise<number> {
  const { usage, quota } = (await navigator.storage?.estimate?.().catch(() => null)) ?? {};
  return usage === undefined || quota === undefined ? Infinity : Math.max(0, quota - usage);
}

/** For people. */
export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
