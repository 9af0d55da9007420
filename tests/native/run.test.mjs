// run.test.mjs - `tercet run`: prompts from everywhere, sampling by seed, stop texts, the context,
// output forms, Ctrl-C, and that kernel sets and thread counts give the same bits.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import {
  at,
  bundledModel,
  fail,
  program,
  start,
  stories260K,
  succeed,
  succeedJson,
  tercet,
} from "./twin_under_test.mjs";

const prompt = "One morning Tom went to the store";
const greedy = ["--temperature", "0"];
/** One thread unless said otherwise: a test must not depend on how busy the machine is. */
const run = (...args) =>
  succeedJson([
    "run",
    bundledModel(),
    ...(args.includes("--threads") ? [] : ["--threads", "1"]),
    ...args,
  ]);

test("a seed repeats its text; other seeds give other texts", () => {
  const args = ["-p", prompt, "-n", "40", "--temperature", "0.9"];
  const first = run(...args, "--seed", "7");
  const again = run(...args, "--seed", "7");
  assert.deepEqual(again.tokens, first.tokens);
  assert.equal(again.text, first.text);
  assert.equal(first.seed, 7);
  const others = new Set([8, 9, 10].map((seed) => run(...args, "--seed", `${seed}`).text));
  assert.equal(others.size, 3);
  assert.ok(!others.has(first.text));
});

test("without a seed one is drawn, and it repeats the text", () => {
  const drawn = run("-p", prompt, "-n", "24");
  const other = run("-p", prompt, "-n", "24");
  assert.notEqual(drawn.seed, other.seed);
  assert.deepEqual(run("-p", prompt, "-n", "24", "--seed", `${drawn.seed}`).tokens, drawn.tokens);
});

test("sampling defaults are the model's, and each option takes effect", () => {
  const { sampling } = run("-p", prompt, "-n", "1");
  assert.equal(sampling.top_p, 0.95);
  assert.ok(sampling.temperature > 0);
  const best = run("-p", prompt, "-n", "20", ...greedy).tokens;
  const hot = ["-p", prompt, "-n", "20", "--temperature", "5", "--seed", "1"];
  assert.notDeepEqual(run(...hot, "--top-p", "1").tokens, best);
  assert.deepEqual(run(...hot, "--top-k", "1").tokens, best);
  assert.deepEqual(run(...hot, "--top-p", "0.000001").tokens, best);
  assert.deepEqual(run(...hot, "--top-p", "1", "--min-p", "1").tokens, best);
  const free = run("-p", prompt, "-n", "150", ...greedy).tokens;
  const penalised = run("-p", prompt, "-n", "150", ...greedy, "--repetition-penalty", "1.5").tokens;
  assert.ok(new Set(penalised).size > new Set(free).size, "fewer repetitions");
});

test("the prompt comes from the command line, a file or standard input", () => {
  const wanted = run("-p", prompt, "-n", "8", ...greedy).tokens;
  writeFileSync(at("prompt.txt"), `${prompt}\n`); // one newline is the editor's
  const fromFile = run("--prompt-file", at("prompt.txt"), "-n", "8", ...greedy);
  assert.deepEqual(fromFile.tokens, wanted);
  assert.equal(fromFile.prompt, prompt);
  const fromInput = succeedJson(["run", bundledModel(), "-", "-n", "8", ...greedy], {
    input: `${prompt}\n`,
  });
  assert.deepEqual(fromInput.tokens, wanted);
  const byName = succeedJson(["run", bundledModel(), "--prompt-file", "-", "-n", "8", ...greedy], {
    input: prompt,
  });
  assert.deepEqual(byName.tokens, wanted);
});

test("text goes to stdout, figures to stderr; JSON says the same", () => {
  const args = ["run", bundledModel(), "-p", prompt, "-n", "30", "--seed", "3"];
  const shown = tercet(args);
  const { text } = succeedJson(args);
  assert.equal(shown.code, 0);
  assert.equal(shown.out, `${prompt}${text}\n`);
  assert.equal(succeed([...args, "--no-prompt-echo"]), `${text}\n`);
  assert.match(shown.err, /prompt +\d+ tokens in .* tokens\/s\n/);
  assert.match(shown.err, /generated +30 tokens in .*first after .*end: length\n/);
  assert.match(shown.err, /ran with +\w+ kernels, \d+ threads?, context \d+, int8 cache, seed 3\n/);
  assert.match(shown.err, /memory +model 3\.\d+ MB, session .* peak .*MB\n/);
  const json = tercet([...args, "--json"]);
  assert.equal(json.err, "");
});

test("JSON has the figures, and they fit together", () => {
  const result = run("-p", prompt, "-n", "16", "--seed", "1", "--threads", "1");
  assert.equal(result.tokens.length, 16);
  assert.equal(result.finish, "length");
  assert.equal(result.threads, 1);
  assert.equal(result.context, result.prompt_tokens.length + 16);
  assert.match(result.model_id, /^[0-9a-f]{64}$/);
  assert.equal(result.logits_sha256, undefined);
  assert.ok(result.first_token_seconds > result.prompt_seconds);
  const rate = 16 / result.decode_seconds;
  assert.ok(Math.abs(rate / result.decode_tokens_per_second - 1) < 1e-3);
  assert.ok(result.peak_memory_bytes > result.model_bytes);
});

test("a stop text ends the text before it, also when it spans tokens", () => {
  const { text, tokens } = run("-p", prompt, "-n", "60", ...greedy);
  for (const [from, length] of [
    [9, 7],
    [20, 1],
    [3, 15],
    [text.length - 4, 4],
  ]) {
    const stop = text.slice(from, from + length);
    const stopped = run("-p", prompt, "-n", "60", ...greedy, "--stop", stop);
    assert.equal(stopped.text, text.slice(0, text.indexOf(stop)), JSON.stringify(stop));
    assert.equal(stopped.finish, "stop-text");
    assert.ok(stopped.tokens.length <= tokens.length);
    const shown = succeed([
      "run",
      bundledModel(),
      "-p",
      prompt,
      "-n",
      "60",
      ...greedy,
      "--stop",
      stop,
    ]);
    assert.equal(shown, `${prompt}${stopped.text}\n`, "nothing of a stop text is shown");
  }
  // Of several the first counts; one that begins and never ends is given out in the end.
  const two = run(
    "-p",
    prompt,
    "-n",
    "60",
    ...greedy,
    "--stop",
    text.slice(30, 36),
    "--stop",
    text.slice(12, 18),
  );
  assert.equal(
    two.text,
    text.slice(0, Math.min(text.indexOf(text.slice(30, 36)), text.indexOf(text.slice(12, 18)))),
  );
  const never = run("-p", prompt, "-n", "60", ...greedy, "--stop", `${text.slice(-3)}\u0001`);
  assert.equal(never.text, text);
  assert.equal(never.finish, "length");
});

test("text ends at the context, at -n, or where the model ends it", () => {
  const full = run("-p", prompt, "-n", "100000", "--seed", "2");
  assert.ok(["context", "stop"].includes(full.finish));
  const context = run("-p", prompt, "--context", "20", ...greedy);
  assert.equal(context.finish, "context");
  assert.equal(context.tokens.length, 20 - context.prompt_tokens.length);
  const none = run("-p", prompt, "-n", "0");
  assert.deepEqual([none.tokens, none.text, none.finish], [[], "", "length"]);
  // Some seed lets the model end its text; the end-of-text token is no text and no token.
  const ended = Array.from({ length: 40 }, (_, seed) =>
    run("-p", '"Good-by," he said.', "-n", "240", "--temperature", "1.5", "--seed", `${seed}`),
  ).find(({ finish }) => finish === "stop");
  if (ended) assert.ok(!ended.tokens.includes(1) && !ended.text.includes("<s>"));
});

test("a prompt that fills the context exactly is computed; one token more is refused", () => {
  const { prompt_tokens } = run("-p", prompt, "-n", "0");
  const exact = `${prompt_tokens.length}`;
  const result = run("-p", prompt, "--context", exact);
  assert.deepEqual([result.tokens, result.finish], [[], "context"]);
  fail(
    ["run", bundledModel(), "-p", prompt, "--context", `${prompt_tokens.length - 1}`],
    "PROMPT_TOO_LONG",
  );
});

test("an empty prompt begins a text", () => {
  const result = succeedJson(["run", stories260K(), ...greedy, "-n", "10"]);
  assert.deepEqual(result.prompt_tokens, [1]);
  assert.ok(result.text.startsWith("Once upon a time"), result.text);
});

test("text that is not ASCII stays whole characters in the stream", async () => {
  const child = start(["run", stories260K(), "-p", "café ☃ 123", "-n", "40", ...greedy]);
  const pieces = [];
  child.stdout.on("data", (piece) => pieces.push(piece));
  await once(child, "close");
  const whole = Buffer.concat(pieces).toString("utf8");
  assert.ok(whole.startsWith("café ☃ 123. Are you okay?"), whole);
  assert.ok(!whole.includes("\ufffd"));
});

test("kernel sets and thread counts give the same bits", () => {
  const sets = /kernel sets: (.*)/
    .exec(succeed(["--version"]))[1]
    .split(/ (?!\()/)
    .filter((name) => !name.endsWith("(not here)"));
  for (const model of [bundledModel(), stories260K()]) {
    const args = ["run", model, "-p", prompt, "-n", "48", "--temperature", "1"];
    args.push("--hash-logits", "--seed", "11");
    const wanted = succeedJson([...args, "--kernels", "portable", "--threads", "1"]);
    assert.match(wanted.logits_sha256, /^[0-9a-f]{64}$/);
    for (const kernels of sets) {
      for (const threads of ["1", "2", "3"]) {
        const result = succeedJson([...args, "--kernels", kernels, "--threads", threads]);
        assert.equal(result.kernels, kernels);
        assert.equal(result.logits_sha256, wanted.logits_sha256, `${kernels}, ${threads} threads`);
        assert.deepEqual(result.tokens, wanted.tokens);
      }
    }
    const chosen = succeedJson(args);
    assert.equal(chosen.logits_sha256, wanted.logits_sha256, "the default set");
    const other = succeedJson([...args.slice(0, -1), "12"]);
    assert.notEqual(other.logits_sha256, wanted.logits_sha256, "another text, another hash");
  }
});

test("an unknown kernel set is refused with those that work", () => {
  const { err } = fail(["run", bundledModel(), "--kernels", "pentium"], "NO_KERNELS");
  assert.match(err, /pentium: .*usable here: portable/);
});

test("Ctrl-C stops with whole text and figures, exit code 130", async () => {
  const child = start(["run", stories260K(), "-p", "Once", "-n", "400", "--kernels", "portable"]);
  let out = "";
  let err = "";
  child.stderr.on("data", (piece) => (err += piece));
  child.stdout.on("data", (piece) => {
    if (out === "") child.kill("SIGINT");
    out += piece;
  });
  const [code] = await once(child, "close");
  // The interruption may come when the last token is done; it is an interruption all the same.
  assert.equal(code, 130, err);
  assert.ok(out.startsWith("Once"));
  assert.ok(out.endsWith("\n"));
  assert.match(err, /end: (cancelled|length)\n/);
});

test("a reader that goes away ends the program quietly", () => {
  const command = `"${program}" run "${bundledModel()}" -p "${prompt}" -n 200 2>"${at("pipe.err")}" | head -c 5; cat "${at("pipe.err")}"`;
  const result = spawnSync("bash", ["-c", command], { encoding: "utf8" });
  assert.equal(result.stdout, prompt.slice(0, 5));
});

test("a full disk under standard output is an error", () => {
  for (const args of [
    ["run", bundledModel(), "-p", prompt, "-n", "4"],
    ["run", bundledModel(), "-p", prompt, "-n", "4", "--json"],
    ["inspect", bundledModel()],
    ["constants"],
  ]) {
    const result = spawnSync("bash", ["-c", '"$0" "$@" > /dev/full', program, ...args], {
      encoding: "utf8",
    });
    assert.equal(result.status, 1, result.stderr);
    assert.match(result.stderr, /tercet: error: standard output: .*\[DISK_FULL\]\n$/);
  }
});

test("threads that cannot be started are a note, and the text is the same", () => {
  const args = ["run", stories260K(), "-p", "Once", "-n", "8", "--temperature", "0"];
  const wanted = succeedJson([...args, "--threads", "1", "--hash-logits"]);
  // Each thread's stack takes address space; 64 of them do not fit into this much.
  const limited = spawnSync(
    "bash",
    [
      "-c",
      'ulimit -v 80000; exec "$0" "$@"',
      program,
      ...args,
      "--threads",
      "64",
      "--json",
      "--hash-logits",
    ],
    { encoding: "utf8" },
  );
  assert.equal(limited.status, 0, limited.stderr);
  assert.match(limited.stderr, /^tercet: note: only \d+ of 64 threads could be started\n$/);
  const result = JSON.parse(limited.stdout);
  assert.ok(result.threads < 64);
  assert.equal(result.logits_sha256, wanted.logits_sha256);
});
