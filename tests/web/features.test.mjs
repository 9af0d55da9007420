// features.test.mjs - which module follows from what a browser has, and what a user is told; every error code has its words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { importSource } from "./source_under_test.mjs";

const { canRun, chooseModule, detectFeatures } = await importSource("features");
const { STATUS, STATUS_TEXT } = await importSource("generated_constants");
const { adviceFor, isErrorCode, userMessage } = await importSource("user_messages");
const { TercetError, fromWireError, toTercetError, toWireError } = await importSource("errors");

const modern = {
  webAssembly: true,
  simd128: true,
  relaxedSimd: true,
  crossOriginIsolated: true,
  threads: true,
  secureContext: true,
  indexedDb: true,
  hardwareThreads: 4,
};
const automatic = { threads: null, variant: null };
const choose = (features, wanted) => {
  const { variant, threads, notices } = chooseModule(
    { ...modern, ...features },
    { ...automatic, ...wanted },
  );
  return [variant, threads, notices.length];
};

test("the best module that the page can run", () => {
  const plain = { crossOriginIsolated: false, threads: false };
  assert.deepEqual(choose({}, {}), ["relaxed-threads", 4, 0]);
  assert.deepEqual(choose({ hardwareThreads: 64 }, {}), ["relaxed-threads", 8, 0]);
  assert.deepEqual(choose({ hardwareThreads: 1 }, {}), ["relaxed", 1, 0]);
  assert.deepEqual(choose({ relaxedSimd: false }, {}), ["simd128-threads", 4, 0]);
  assert.deepEqual(choose(plain, {}), ["relaxed", 1, 1]);
  assert.deepEqual(choose({ ...plain, relaxedSimd: false }, { threads: 2 }), ["simd128", 1, 1]);
  assert.deepEqual(choose(plain, { threads: 1 }), ["relaxed", 1, 0]);
  assert.deepEqual(choose({}, { threads: 16 }), ["relaxed-threads", 16, 0]);
  assert.deepEqual(choose({}, { variant: "simd128" }), ["simd128", 1, 0]);
  assert.deepEqual(choose({}, { variant: "simd128", threads: 2 }), ["simd128", 1, 1]);
  assert.deepEqual(choose({}, { variant: "simd128-threads", threads: 1 }), [
    "simd128-threads",
    1,
    0,
  ]);
});

test("what cannot run is refused with a reason", () => {
  for (const [features, wanted, reason] of [
    [{ simd128: false }, {}, /SIMD/],
    [{ secureContext: false }, {}, /https/],
    [{ threads: false }, { variant: "relaxed-threads" }, /relaxed-threads/],
    [{ relaxedSimd: false }, { variant: "relaxed" }, /relaxed/],
  ]) {
    assert.throws(
      () => choose(features, wanted),
      (error) => error.code === "UNSUPPORTED_BROWSER" && reason.test(error.message),
    );
  }
  assert.equal(canRun({ ...modern, simd128: false }, "simd128"), false);
});

test("detection asks the engine", () => {
  const here = detectFeatures(globalThis);
  assert.equal(here.simd128, true, "Node 20 has SIMD");
  assert.equal(here.crossOriginIsolated, false);
  assert.equal(here.threads, false);
  const nothing = detectFeatures({});
  assert.deepEqual(
    Object.entries(nothing).filter(([, value]) => value !== false),
    [["hardwareThreads", 1]],
  );
});

test("every status of the core and every host code has a sentence and advice", () => {
  const hosts = ["ABORTED", "NETWORK_FAILED", "HTTP_STATUS", "STORAGE_FAILED", "QUOTA_EXCEEDED"];
  hosts.push("ENGINE_CRASHED", "DISPOSED", "UNSUPPORTED_BROWSER", "PROTOCOL");
  const advice = ["retry", "free-space", "reload", "redownload", "unsupported", "fix-input"];
  for (const code of [...Object.keys(STATUS), ...hosts]) {
    assert.ok(isErrorCode(code), code);
    assert.ok(userMessage(code).length > 5, code);
    assert.ok(advice.includes(adviceFor(code)), code);
  }
  assert.equal(userMessage("BAD_MAGIC"), STATUS_TEXT.BAD_MAGIC);
  assert.ok(!isErrorCode("toString"));
});

test("errors cross as plain data, and instanceof holds across copies", async () => {
  const error = new TercetError("CHUNK_HASH_MISMATCH", "chunk 3", { where: 3 });
  const again = fromWireError(structuredClone(toWireError(error)));
  assert.deepEqual({ ...again }, { ...error });
  assert.equal(again.message, error.message);
  assert.match(error.message, /chunk 3/);
  const { TercetError: Other } = await importSource("errors");
  assert.notEqual(Other, TercetError);
  assert.ok(error instanceof Other && new Other("ABORTED") instanceof TercetError);
  assert.ok(!(new Error("x") instanceof TercetError) && !(null instanceof TercetError));
  assert.equal(
    fromWireError({ code: "FROM_THE_FUTURE", detail: "d", where: null }).code,
    "PROTOCOL",
  );
  assert.equal(toTercetError(error, "PROTOCOL"), error);
  for (const thrown of [
    new TypeError("t"),
    "text",
    undefined,
    {
      toString: () => {
        throw 1;
      },
    },
  ]) {
    const wrapped = toTercetError(thrown, "ENGINE_CRASHED");
    assert.equal(wrapped.code, "ENGINE_CRASHED");
    assert.ok(wrapped.detail.length > 0);
  }
});
