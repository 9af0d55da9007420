// format.ts: numbers as people read them. Pure functions; nothing here knows the page.

const DASH = "–";

/** 10^6 bytes are a MB, as in download sizes elsewhere. */
export function formatBytes(bytes: number): string {
  if (bytes >= 999.5e6) return `${(bytes / 1e9).toFixed(2)} GB`;
  if (bytes >= 999.5e3) return `${(bytes / 1e6).toFixed(1)} MB`;
  if (bytes >= 999.5) return `${Math.round(bytes / 1e3)} kB`;
  return `${Math.round(bytes)} B`;
}

/** Memory of a machine, which people and browsers count in powers of two: "16 GB". */
export function formatMachineMemory(bytes: number): string {
  const gibibytes = bytes / 2 ** 30;
  return `${gibibytes < 1 ? gibibytes.toFixed(1) : Math.round(gibibytes)} GB`;
}

/** "1.2 of 3.5 MB"; only what has come while the total is unknown. */
export function formatBytesOf(loaded: number, total: number): string {
  if (total <= 0) return formatBytes(loaded);
  const whole = formatBytes(total);
  const unit = whole.slice(whole.indexOf(" ") + 1);
  const divisor = { GB: 1e9, MB: 1e6, kB: 1e3, B: 1 }[unit] ?? 1;
  const digits = { GB: 2, MB: 1 }[unit] ?? 0;
  return `${(loaded / divisor).toFixed(digits)} of ${whole}`;
}

export function formatRate(bytesPerSecond: number): string {
  return bytesPerSecond > 0 ? `${formatBytes(bytesPerSecond)}/s` : DASH;
}

/** A span to wait for: coarse, so that it does not flicker. */
export function formatTimeLeft(seconds: number): string {
  if (seconds < 1) return "under 1 s left";
  if (seconds < 90) return `${Math.ceil(seconds)} s left`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min left`;
  return `${Math.round(seconds / 3600)} h left`;
}

/** A span that was measured. */
export function formatMeasured(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

export function formatSpeed(tokensPerSecond: number): string {
  if (!Number.isFinite(tokensPerSecond) || tokensPerSecond <= 0) return DASH;
  return `${tokensPerSecond.toFixed(tokensPerSecond < 20 ? 1 : 0)} tokens/s`;
}

export function formatTokens(tokens: number): string {
  return `${tokens} ${tokens === 1 ? "token" : "tokens"}`;
}

/** "6.2 M parameters" */
export function formatParameters(parameters: number): string {
  if (parameters >= 999.5e6) return `${(parameters / 1e9).toFixed(1)} B parameters`;
  if (parameters >= 999.5e3) return `${(parameters / 1e6).toFixed(1)} M parameters`;
  return `${Math.round(parameters / 1e3)} k parameters`;
}

/** Spans that are shown below each other: all with the decimals that the longest leaves room for. "0.072 ms", "1.260 ms" */
export function formatMilliseconds(all: readonly number[]): string[] {
  const longest = Math.max(0, ...all) * 1000;
  const decimals = longest < 10 ? 3 : longest < 100 ? 2 : longest < 1000 ? 1 : 0;
  return all.map((seconds) => `${(seconds * 1000).toFixed(decimals)} ms`);
}

/** "36.3 %" */
export function formatPercent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)} %`;
}

/** With a capital and a full stop, as errors and notices of the library begin and end without them. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  const upper = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return upper === "" || /[.!?]$/.test(upper) ? upper : `${upper}.`;
}
