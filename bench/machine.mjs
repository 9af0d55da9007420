// machine.mjs - what a figure was measured on, and with which command. A figure without its machine,
// date, commit and command is not a figure. Reads the system; runs git; writes nothing.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { root } from "../scripts/paths.mjs";

const git = (...args) => {
  try {
    return execFileSync("git", args, {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return null; // an unpacked archive has no history
  }
};

/** The processor's name without its trademark signs. */
export function cpuModel() {
  let model = cpus()[0]?.model ?? "";
  if (model === "" || model === "unknown") {
    try {
      model = /^model name\s*:\s*(.+)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1] ?? "";
    } catch {
      model = "";
    }
  }
  return (
    model
      .replace(/\((R|TM)\)/g, "")
      .replace(/\s+/g, " ")
      .trim() || "unknown processor"
  );
}

/** Load of the last minute: what else was running. */
export const loadAverage = () => Math.round(loadavg()[0] * 100) / 100;

/** The command as a reader would type it. */
export function commandLine(argv = process.argv, name = process.env.npm_lifecycle_event) {
  const quote = (word) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  const args = argv.slice(2).map(quote).join(" ");
  if (name) return args ? `npm run ${name} -- ${args}` : `npm run ${name}`;
  const script = argv[1]?.startsWith(`${root}/`) ? argv[1].slice(root.length + 1) : argv[1];
  return ["node", script, args].filter(Boolean).join(" ");
}

/** Everything of the above, for the head of a result. */
export function describeMachine() {
  const changed = git("status", "--porcelain", "--untracked-files=no");
  return {
    cpu: cpuModel(),
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    load_average: loadAverage(),
    node: process.version,
    system: `${process.platform} ${process.arch}`,
    commit: git("rev-parse", "--short=10", "HEAD"),
    uncommitted_changes: changed === null ? null : changed !== "",
    date: new Date().toISOString(),
    command: commandLine(),
  };
}

/** "2026-11-21, 2 cores of AMD EPYC 9B45, load average 0.9": one line under a table. */
export const machineLine = (machine) =>
  `${machine.date.slice(0, 10)}, ${machine.cores} ${machine.cores === 1 ? "core" : "cores"} of ` +
  `${machine.cpu}, load average ${machine.load_average} at the start, Node ${machine.node}, ` +
  `commit ${machine.commit ?? "unknown"}${machine.uncommitted_changes ? " with changes" : ""}`;
