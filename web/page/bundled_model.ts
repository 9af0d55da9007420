// bundled_model.ts: the model that comes with the page. build.mjs knows it and writes it in.

import type { Origin } from "./state/models.js";
import { strings } from "./strings.js";

/** Replaced by build.mjs: address relative to the page, and size of the file. */
declare const BUNDLED_MODEL: { path: string; bytes: number };

export const bundledBytes = BUNDLED_MODEL.bytes;

export const bundled: Origin = {
  kind: "bundled",
  label: strings.start.bundledLabel,
  source: BUNDLED_MODEL.path,
};
