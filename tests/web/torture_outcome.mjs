// torture_outcome.mjs - what came of a broken load, as facts that can be written down: how it ended, whether anything was
// wrong, and what came twice; and the table that people read. Pure functions: it starts no browser and no server.

/** Of one case, before anything went wrong. */
export function newOutcome() {
  return {
    /** Broken loads by how they ended: a code, "loaded" or "killed". */
    ended: {},
    /** Loads that gave another model or another text. */
    corrupt: 0,
    /** Models that were not whole, or not as they should be, after the visit that came next. */
    notWhole: 0,
    /** Chunks that a page had read whole and had to read whole once more, on one visit; null: nobody can help it. */
    chunksAgain: 0,
    /** Whether of these only chunks count that were stored: the fault left no way but to read the others again. */
    storedAlone: false,
    /** Bytes of chunks that the server sent and the model did not need. */
    sentAgain: 0,
    /** What was wrong, in words. */
    problems: [],
  };
}

export function countEnd(outcome, end) {
  outcome.ended[end] = (outcome.ended[end] ?? 0) + 1;
}

/** More than one chunk: what may be lost with a load is the chunk that was on its way to the storage. */
export function holds({ corrupt, notWhole, chunksAgain, problems }) {
  return corrupt === 0 && notWhole === 0 && chunksAgain <= 1 && problems.length === 0;
}

/**
 * { again, sentAgain } of these requests: how many chunks were read whole more than once, each time counted, and how many
 * bytes of chunks were sent beyond the first time. `begin` and `end` of a chunk by its index; chunks of `needed` alone.
 */
export function countAgain(requests, { chunks, bounds }, isNeeded = () => true) {
  let [again, sentAgain] = [0, 0];
  for (let chunk = 0; chunk < chunks; chunk++) {
    const { begin, end } = bounds(chunk);
    const overlap = (bytes) =>
      requests
        .filter(({ first }) => first !== null)
        .map(
          (request) =>
            Math.min(end, request.first + bytes(request)) - Math.max(begin, request.first),
        )
        .reduce((sum, common) => sum + Math.max(0, common), 0);
    const once = isNeeded(chunk) ? 1 : 0;
    again += Math.max(0, Math.floor(overlap(({ taken }) => taken) / (end - begin)) - once);
    sentAgain += Math.max(0, overlap(({ sent }) => sent) - once * (end - begin));
  }
  return { again, sentAgain };
}

/** One line of the table from the outcomes of its cases. */
export function sumOutcomes(fault, outcomes) {
  const row = { fault, cases: outcomes.length, ...newOutcome() };
  for (const outcome of outcomes) {
    for (const [end, times] of Object.entries(outcome.ended))
      row.ended[end] = (row.ended[end] ?? 0) + times;
    row.storedAlone ||= outcome.storedAlone;
    row.corrupt += outcome.corrupt;
    row.notWhole += outcome.notWhole;
    if (outcome.chunksAgain === null) row.chunksAgain = null;
    else row.chunksAgain = Math.max(row.chunksAgain, outcome.chunksAgain);
    row.sentAgain = Math.max(row.sentAgain, outcome.sentAgain);
    row.problems.push(...outcome.problems);
  }
  return row;
}

function describeAgain({ chunksAgain, storedAlone }) {
  if (chunksAgain === null) return "(as the server has it)";
  return storedAlone ? `${chunksAgain} (stored chunks alone)` : String(chunksAgain);
}

/** The rows as a table in Markdown. */
export function tortureTable(rows) {
  const head = [
    "fault",
    "broken loads",
    "how they ended",
    "corrupt",
    "not whole after",
    "chunks fetched again, most",
    "MB sent again, most",
  ];
  const cells = rows.map((row) => {
    const ends = Object.entries(row.ended);
    return [
      row.fault,
      String(ends.reduce((sum, [, times]) => sum + times, 0)),
      ends.map(([name, times]) => `${name} ${times}`).join(", "),
      String(row.corrupt),
      String(row.notWhole),
      describeAgain(row),
      (row.sentAgain / 1e6).toFixed(1),
    ];
  });
  return [head, head.map(() => "---"), ...cells]
    .map((line) => `| ${line.join(" | ")} |`)
    .join("\n");
}
