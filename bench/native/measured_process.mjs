// measured_process.mjs - one engine, one process: runs a program to its end and tells what it printed
// and how much memory it had resident at most. Every engine is measured through this, so that none
// shares a process, an allocator or a page cache mapping's accounting with another.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

/** Peak resident bytes of a process that runs, as /proc/PID/status counts them; 0 where it cannot be read. */
export function peakResidentBytes(status) {
  const found = /^VmHWM:\s+(\d+) kB$/m.exec(status);
  return found ? Number(found[1]) * 1024 : 0;
}

/** How often the peak is read; it never falls, so only what is taken in the last moments can be missed. */
const READ_EVERY_MS = 20;

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string>, timeoutMs?: number }} [options]
 * @returns {Promise<{ out: string, peakBytes: number }>}
 */
export function runMeasured(program, args, { env = {}, timeoutMs = 600_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    let peakBytes = 0;
    const read = () => {
      try {
        const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
        peakBytes = Math.max(peakBytes, peakResidentBytes(status));
      } catch {
        // It has ended, or this system has no /proc.
      }
    };
    const reading = setInterval(read, READ_EVERY_MS);
    const killing = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.stdout.setEncoding("utf8").on("data", (text) => {
      read();
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => (err = (err + text).slice(-4000)));
    child.on("error", (error) => {
      clearInterval(reading);
      clearTimeout(killing);
      reject(new Error(`${program} cannot be started: ${error.message}`));
    });
    child.on("close", (code, signal) => {
      clearInterval(reading);
      clearTimeout(killing);
      if (code === 0) return resolve({ out, peakBytes });
      const last = err
        .trim()
        .split(/\s*\n\s*/)
        .slice(-12)
        .join(" / ");
      reject(new Error(`${program} ended with ${signal ?? `exit code ${code}`}: ${last}`));
    });
  });
}
