// measures.js - what the visits of all engines have in common, so that they are measured alike. Runs in the page.

export function secondsSince(began) {
  return (performance.now() - began) / 1000;
}

/** Token ids spread over the vocabulary, so that no cache helps the embedding; the same for every engine. */
export function promptOf(count, vocabulary) {
  return Array.from({ length: count }, (_, i) => (i * 7919 + 1) % vocabulary);
}
