// usage.test.mjs - help pages, versions and every kind of wrong usage: what a person meets before
// any model is opened.

import assert from "node:assert/strict";
import { test } from "node:test";
import { misuse, succeed, tercet } from "./twin_under_test.mjs";

const commands = [
  "pack",
  "run",
  "inspect",
  "verify",
  "bench",
  "perplexity",
  "embed",
  "logits",
  "tokenize",
  "constants",
];

test("the help names every command, and each has a page with an example", () => {
  const help = succeed(["--help"]);
  for (const command of commands) {
    assert.match(help, new RegExp(`^  ${command} +\\S`, "m"));
    for (const ask of [
      [command, "--help"],
      [command, "-h"],
      ["help", command],
      [command, "--nonsense", "--help"],
    ]) {
      const page = succeed(ask);
      assert.match(page, new RegExp(`^tercet ${command}( |\n)`), ask.join(" "));
      assert.match(page, new RegExp(`Examples?\n +tercet ${command}`), ask.join(" "));
      assert.match(page, /--help/);
    }
  }
});

test("help fits into 80 columns and holds no escape sequences when it is no terminal", () => {
  for (const command of [[], ...commands.map((name) => [name])]) {
    const page = succeed([...command, "--help"]);
    assert.doesNotMatch(page, /\x1b/);
    for (const line of page.split("\n")) {
      assert.ok(line.length <= 80, `${command}: ${line.length} columns: ${line}`);
    }
  }
});

test("the version says which kernel sets the program has", () => {
  assert.match(succeed(["--version"]), /^tercet \d+\.\d+\.\d+ \(API \d+\)\nkernel sets: portable/);
});

test("nothing at all is wrong usage, with the help on stderr", () => {
  const { code, out, err } = tercet([]);
  assert.equal(code, 2);
  assert.equal(out, "");
  assert.match(err, /Commands\n/);
});

test("unknown words are refused, with what was probably meant", () => {
  misuse(["rnu"], /unknown command rnu \(did you mean run\?\)/);
  misuse(["something"], /unknown command something/);
  misuse(["--vresion"], /unknown option --vresion/);
  misuse(["run", "m", "--thraeds", "2"], /unknown option --thraeds \(did you mean --threads\?\)/);
  misuse(["run", "m", "-x"], /unknown option -x/);
  for (const command of commands) {
    misuse([command, "--nonsense"], /unknown option --nonsense/);
  }
});

test("numbers are read to their last character and held to their range", () => {
  for (const value of ["12abc", "abc", "", " 4", "+4", "-1", "0x10", "1.5", "0", "65", "1e2"]) {
    misuse(["run", "m", "--threads", value], /--threads takes a whole number from 1 to 64/);
  }
  misuse(["run", "m", "-n", "99999999999999999999"], /--tokens takes a whole number/);
  misuse(["run", "m", "-nx"], /--tokens takes a whole number/);
  for (const value of ["nan", "inf", "1..2", "0x1p3", "", "-1", "101", "1 "]) {
    misuse(["run", "m", "--temperature", value], /--temperature takes a number from 0 to 100/);
  }
  misuse(["run", "m", "--top-p", "0"], /--top-p takes a number/);
  misuse(["run", "m", "--seed", "9007199254740992"], /--seed takes a whole number/);
});

test("missing, superfluous and contradicting arguments", () => {
  for (const command of ["run", "inspect", "verify", "perplexity", "embed", "logits", "tokenize"]) {
    misuse([command], /MODEL is missing/);
  }
  misuse(["verify", "a", "b"], /one argument too many: "b"/);
  misuse(["constants", "a"], /one argument too many: "a"/);
  misuse(["run", "m", "-n"], /--tokens needs a value/);
  misuse(["run", "m", "--json=1"], /--json takes no value/);
  misuse(["run", "m", "Once upon a time"], /a prompt is given with -p/);
  misuse(["run", "m", "-p", "a", "--prompt-file", "b"], /only one of/);
  misuse(["run", "m", "-p", "a", "-"], /only one of/);
  misuse(["run", "m", "--stop", ""], /--stop needs a text/);
  misuse(["run", "m", "--hash-logits"], /--hash-logits needs --json/);
  misuse(["embed", "m"], /give one of --text and --tokens/);
  misuse(["embed", "m", "--text", "a", "--tokens", "1"], /give one of/);
  misuse(["logits", "m", "-o", "f"], /give one of --text and --tokens/);
  misuse(["logits", "m", "--text", "a", "--tokens", "1", "-o", "f"], /give one of/);
  misuse(["logits", "m", "--text", "a"], /-o FILE is missing/);
  misuse(["perplexity", "m"], /give one of FILE and --tokens/);
  misuse(["perplexity", "m", "f", "--tokens", "g"], /give one of FILE and --tokens/);
  misuse(["tokenize", "m"], /give one of TEXT/);
  misuse(["tokenize", "m", "a", "--decode", "1"], /give one of TEXT/);
  misuse(["bench", "m", "--threads", "1,,2"], /--threads takes numbers/);
  misuse(["bench", "m", "--threads", "1,65"], /--threads takes numbers/);
  misuse(["bench", "m", "--kernels", "portable,"], /--kernels takes names/);
});
