// features.ts: what this browser and page can do, found by asking the engine, never by its name; and which module follows
// from that. Page and worker both use it. It must never load anything.
import { TercetError } from "./errors.js";
import type { Variant } from "./types.js";

export interface Features {
  webAssembly: boolean;
  simd128: boolean;
  relaxedSimd: boolean;
  /** The page was served with COOP and COEP headers. */
  crossOriginIsolated: boolean;
  /** Threads can share memory: isolated, and shared memories exist. */
  threads: boolean;
  /** https or localhost: WebCrypto is here. */
  secureContext: boolean;
  indexedDb: boolean;
  /** Logical processors, as the browser tells them. */
  hardwareThreads: number;
}

// Smallest modules with one instruction of each set:
// (func (result v128) i32.const 0 i8x16.splat i8x16.popcnt)
const SIMD128_PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
];
// (func (result v128) three splats, i32x4.relaxed_dot_i8x16_i7x16_add_s)
const RELAXED_PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 15,
  65, 0, 253, 15, 65, 0, 253, 15, 253, 147, 2, 11,
];

/** More than this rarely helps: decoding waits for memory, not for processors. */
const DEFAULT_THREADS_MAX = 8;

export function detectFeatures(scope: typeof globalThis): Features {
  const webAssembly =
    typeof scope.WebAssembly === "object" && typeof scope.WebAssembly.validate === "function";
  const validates = (bytes: number[]) =>
    webAssembly && scope.WebAssembly.validate(new Uint8Array(bytes));
  const isolated = scope.crossOriginIsolated === true;
  return {
    webAssembly,
    simd128: validates(SIMD128_PROBE),
    relaxedSimd: validates(RELAXED_PROBE),
    crossOriginIsolated: isolated,
    threads: isolated && typeof scope.SharedArrayBuffer === "function",
    secureContext: typeof scope.crypto?.subtle === "object",
    indexedDb: typeof scope.indexedDB === "object" && scope.indexedDB !== null,
    hardwareThreads: Math.max(1, scope.navigator?.hardwareConcurrency || 1),
  };
}

export interface ModuleChoice {
  variant: Variant;
  threads: number;
  /** Sentences about what could not be as asked for. */
  notices: string[];
}

/** Whether this engine can run a module of that kind. */
export function canRun(features: Features, variant: Variant): boolean {
  if (!features.simd128) return false;
  if (variant.startsWith("relaxed") && !features.relaxedSimd) return false;
  return !variant.endsWith("-threads") || features.threads;
}

/** Throws UNSUPPORTED_BROWSER when nothing can run here, or not the forced variant. */
export function chooseModule(
  features: Features,
  wanted: { threads: number | null; variant: Variant | null },
): ModuleChoice {
  if (!features.simd128)
    throw new TercetError("UNSUPPORTED_BROWSER", "this browser has no WebAssembly with SIMD");
  if (!features.secureContext)
    throw new TercetError(
      "UNSUPPORTED_BROWSER",
      "this page has no WebCrypto, which checks the model: serve it over https, or open it as http://localhost",
    );
  const notices: string[] = [];
  const askedFor = wanted.threads ?? Math.min(features.hardwareThreads, DEFAULT_THREADS_MAX);
  if (wanted.variant !== null) {
    if (!canRun(features, wanted.variant))
      throw new TercetError(
        "UNSUPPORTED_BROWSER",
        `the module ${wanted.variant} cannot run on this page`,
      );
    const threads = wanted.variant.endsWith("-threads") ? askedFor : 1;
    if (wanted.threads !== null && threads < wanted.threads)
      notices.push(`one thread: the forced module ${wanted.variant} has no others`);
    return { variant: wanted.variant, threads, notices };
  }
  const base = features.relaxedSimd ? "relaxed" : "simd128";
  if (features.threads)
    return { variant: askedFor > 1 ? `${base}-threads` : base, threads: askedFor, notices };
  if (askedFor > 1)
    notices.push(
      "one thread: this page is not cross-origin isolated; serve it with the headers " +
        '"Cross-Origin-Opener-Policy: same-origin" and "Cross-Origin-Embedder-Policy: require-corp" for more',
    );
  return { variant: base, threads: 1, notices };
}
