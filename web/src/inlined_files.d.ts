// inlined_files.d.ts: what build.mjs writes as inlined_files.js: worker and modules as texts, each imported on its own, so that
// a bundler can put each into a file that nobody loads who does not need it.

/** Deflated, then base64. */
export interface InlinedFile {
  script: string;
  /** Of modules. */
  binary?: string;
}

/** By the name of the script in the package, without its ending. */
export declare const files: Readonly<Record<string, () => Promise<InlinedFile>>>;
