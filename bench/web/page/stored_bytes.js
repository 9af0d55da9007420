// stored_bytes.js - the bytes of a stored model, read and dropped: what a load from the store cannot be faster than by much.
// Runs in the page. `batch` chunks a question; the store's own code is not used, only its database.

import { secondsSince } from "./measures.js";

const answerOf = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

export async function visit({ batch }) {
  const began = performance.now();
  const database = await answerOf(indexedDB.open("tercet"));
  const chunks = () => database.transaction("chunks").objectStore("chunks");
  let bytes = 0;
  let range = null;
  for (;;) {
    const [keys, values] = await Promise.all([
      answerOf(chunks().getAllKeys(range, batch)),
      answerOf(chunks().getAll(range, batch)),
    ]);
    for (const value of values) bytes += value.byteLength;
    if (keys.length < batch) break;
    range = IDBKeyRange.lowerBound(keys.at(-1), true);
  }
  database.close();
  return { readSeconds: secondsSince(began), bytes };
}
