// setup.test.mjs - the set-up on machines that this one is not: another user, another system, no
// network, an old compiler. A pretended system records what would have been run or written, so
// that "nothing was changed" is checked and not only said.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  advice,
  inspect,
  installEmscripten,
  installNpmPackages,
  installPackages,
  requirePossible,
  requirements,
  versionAtLeast,
} from "../../scripts/setup.mjs";
import { StepError } from "../../scripts/steps.mjs";

const debianRelease = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n';

/**
 * A machine with `installed` Debian packages and `commands` { name: version } on PATH.
 * `fails(command, args)` answers with the output of a failure, or nothing.
 */
function pretend({
  installed = [],
  commands = {},
  osRelease = debianRelease,
  root = true,
  fails,
  ...rest
} = {}) {
  const debian = /^ID=debian$/m.test(osRelease);
  const tools = debian ? { "apt-get": "2.6", "dpkg-query": "1.21", ...commands } : commands;
  const files = new Map();
  const ran = [];
  return {
    platform: "linux",
    nodeVersion: "20.20.2",
    root,
    osRelease,
    onPath: (command) => command in tools,
    exists: (path) => files.has(path),
    installedPackages: (names) => new Set(names.filter((name) => installed.includes(name))),
    version: (command) => tools[command] ?? null,
    read: (path) =>
      files.get(path) ?? (/setup-emscripten\.sh|package-lock\.json/.test(path) ? "text" : null),
    write: (path, text) => files.set(path, text),
    remove: (path) => files.delete(path),
    async run(command, args, options = {}) {
      ran.push([command, ...args].join(" "));
      const output = fails?.(command, args);
      if (output === undefined) return { code: 0, output: "" };
      if (options.accept?.includes(100)) return { code: 100, output };
      throw new StepError(options.failure ?? `${command} failed`, { output });
    },
    files,
    ran,
    ...rest,
  };
}

const packagesFor = (purpose) =>
  requirements
    .filter((need) => purpose === "test" || need.needed === "start")
    .map((need) => need.package);
const optional = ["firefox-esr", "python3-torch", "python3-sentencepiece"];
const changes = (system) => system.ran.filter((line) => !/ -s /.test(line));
const quiet = () => {};

test("a bare Debian as root: exactly the missing packages are installed, without recommendations", async () => {
  const system = pretend({ installed: ["gcc", "libc6-dev", "ca-certificates"] });
  const state = inspect("start", system);
  requirePossible(state, system);
  await installPackages(state, quiet, system);
  const install = system.ran.at(-1);
  assert.match(install, /^apt-get install -y --no-install-recommends /);
  assert.match(install, / cmake ninja-build libssl-dev libcjson-dev zlib1g-dev python3 xz-utils$/);
  assert.doesNotMatch(install, /chromium|clang|gcc/);
});

test("a path that Emscripten cannot live with is refused first of all", () => {
  const system = pretend();
  for (const folder of ["/home/tom/my tercet", "/home/tom's/tercet", "/a$b"]) {
    assert.throws(
      () => requirePossible(inspect("start", system), system, folder),
      (error) => error instanceof StepError && error.message.includes(`: ${folder}. Move it`),
    );
  }
  assert.deepEqual(system.ran, []);
});

test("npm test needs more than npm start", () => {
  const start = inspect("start", pretend()).missing.map((need) => need.package);
  const more = inspect("test", pretend()).missing.map((need) => need.package);
  assert.deepEqual(start, packagesFor("start"));
  assert.deepEqual(more, packagesFor("test"));
  for (const name of ["chromium", "clang-14", "libclang-rt-14-dev", "clang-format-14", "shfmt"]) {
    assert.ok(more.includes(name) && !start.includes(name), name);
  }
});

test("another browser and PyTorch are installed by root on Debian and asked of nobody else", () => {
  const all = packagesFor("test").filter((name) => !optional.includes(name));
  const missing = (system) => inspect("test", system).missing.map((need) => need.package);
  assert.deepEqual(missing(pretend({ installed: all })), optional);
  const user = pretend({ installed: all, root: false });
  assert.deepEqual(missing(user), []);
  requirePossible(inspect("test", user), user);
  const elsewhere = missing(pretend({ osRelease: "ID=fedora\n" }));
  assert.deepEqual(
    optional.filter((name) => elsewhere.includes(name)),
    [],
  );
});

test("a machine that has everything is left alone", async () => {
  const system = pretend({ installed: packagesFor("test") });
  await installEmscripten(inspect("test", system), quiet, system);
  await installNpmPackages(inspect("test", system), quiet, system);
  system.files.set(
    [...system.files.keys()]
      .find((path) => path.endsWith("emscripten.stamp"))
      .replace(/\.stamp$/, "/bin/emcc"),
    "",
  );
  system.ran.length = 0;
  const state = inspect("test", system);
  assert.deepEqual(
    { ...state, missing: state.missing.length },
    { debian: true, missing: 0, emscripten: "ready", npm: "ready" },
  );
  requirePossible(state, system);
  await installPackages(state, quiet, system);
  await installEmscripten(state, quiet, system);
  await installNpmPackages(state, quiet, system);
  assert.deepEqual(system.ran, []);
});

test("another lockfile or another recipe means to install again", async () => {
  const system = pretend({ installed: packagesFor("start") });
  await installNpmPackages(inspect("start", system), quiet, system);
  assert.equal(inspect("start", system).npm, "ready");
  system.read = ((read) => (path) => (/package-lock/.test(path) ? "other" : read(path)))(
    system.read,
  );
  assert.equal(inspect("start", system).npm, "install");
});

test("not root: the message names each package and the command, and nothing is changed", () => {
  const system = pretend({ root: false, installed: ["gcc", "libc6-dev", "cmake", "python3"] });
  const state = inspect("test", system);
  const missing = packagesFor("test").filter(
    (name) => !["gcc", "libc6-dev", "cmake", "python3", ...optional].includes(name),
  );
  assert.throws(
    () => requirePossible(state, system),
    (error) => {
      assert.ok(error instanceof StepError);
      assert.match(error.message, /needs root/);
      assert.ok(
        error.message.includes(`apt-get install --no-install-recommends ${missing.join(" ")}\n`),
        error.message,
      );
      assert.match(error.message, /Nothing was changed/);
      return true;
    },
  );
  assert.deepEqual(system.ran, []);
  assert.equal(system.files.size, 0);
});

test("not root but nothing missing from Debian: goes on, Emscripten needs no root", async () => {
  const system = pretend({ root: false, installed: packagesFor("start") });
  const state = inspect("start", system);
  requirePossible(state, system);
  await installEmscripten(state, quiet, system);
  assert.match(system.ran.at(-1), /^bash .*scripts\/setup-emscripten\.sh --private /);
});

test("not Debian: what is on PATH counts, what is missing is named, Emscripten too", () => {
  const system = pretend({
    osRelease: "ID=fedora\n",
    commands: { gcc: "13.2.1", cmake: "3.27.7", ninja: "1.11.1", python3: "3.12.0", xz: "5.4.4" },
  });
  const state = inspect("start", system);
  assert.deepEqual(
    state.missing.map((need) => need.package),
    ["libc6-dev", "libssl-dev", "libcjson-dev", "zlib1g-dev", "ca-certificates"],
  );
  assert.throws(
    () => requirePossible(state, system),
    /not a Debian machine[^]*libcjson-dev[^]*cJSON's headers[^]*Emscripten 3\.1\.58/,
  );
  assert.deepEqual(system.ran, []);
});

test("not Debian, everything there: goes on with the Emscripten on PATH", () => {
  const commands = {
    gcc: "13.2.1",
    cmake: "3.27.7",
    ninja: "1.11.1",
    python3: "3.12.0",
    xz: "5.4.4",
  };
  const files = requirements.filter((need) => need.files).map((need) => need.files[0]);
  const system = pretend({
    osRelease: "ID=fedora\n",
    commands: { ...commands, emcc: "3.1.70" },
    exists: (path) => files.includes(path),
  });
  const state = inspect("start", system);
  assert.deepEqual(state.missing, []);
  assert.equal(state.emscripten, "ready");
  requirePossible(state, system);
  const old = pretend({
    osRelease: "ID=fedora\n",
    commands: { ...commands, emcc: "3.1.6" },
    exists: (path) => files.includes(path),
  });
  assert.throws(() => requirePossible(inspect("start", old), old), /Emscripten 3\.1\.58 or newer/);
});

test("a tool on PATH that is too old is missing, a newer one is not", () => {
  const missing = (cmake) =>
    inspect("start", pretend({ commands: { cmake } })).missing.some(
      (need) => need.package === "cmake",
    );
  assert.equal(missing("3.18.4"), true);
  assert.equal(missing("3.20"), false);
  assert.equal(missing("4.0.1"), false);
});

test("another system or an old Node: one sentence, nothing changed", () => {
  const mac = pretend({ platform: "darwin", osRelease: "" });
  assert.throws(
    () => requirePossible(inspect("start", mac), mac),
    /builds on Linux; this is darwin/,
  );
  const old = pretend({ nodeVersion: "18.20.0", installed: packagesFor("start") });
  assert.throws(
    () => requirePossible(inspect("start", old), old),
    /Node\.js 20\.10\.0 or newer is needed; this is 18\.20\.0/,
  );
});

test("no network for the package lists: names the packages, installs nothing", async () => {
  const system = pretend({
    fails: (command, args) =>
      args.includes("-s") || args[0] === "update"
        ? "E: Failed to fetch http://deb.debian.org/ Could not resolve"
        : undefined,
  });
  const state = inspect("start", system);
  await assert.rejects(installPackages(state, quiet, system), (error) => {
    assert.match(error.message, /is there a network\?/);
    assert.match(error.message, /Failed to fetch/);
    assert.ok(error.message.includes(packagesFor("start").join(" ")));
    assert.match(error.message, /Nothing was changed/);
    return true;
  });
  assert.ok(
    !changes(system).some((line) => line.startsWith("apt-get install")),
    system.ran.join("\n"),
  );
});

test("no network for the packages themselves: the download fails before anything is unpacked", async () => {
  const system = pretend({
    fails: (command, args) =>
      args.includes("--download-only") ? "E: Unable to fetch some archives" : undefined,
  });
  const state = inspect("start", system);
  await assert.rejects(
    installPackages(state, quiet, system),
    /could not download the packages[^]*Nothing was changed/,
  );
  // Lists may be old, so it asked again once; it never came to an installation.
  assert.equal(system.ran.filter((line) => line.startsWith("apt-get update")).length, 1);
  assert.ok(
    system.ran
      .filter((line) => /^apt-get install -y/.test(line))
      .every((line) => line.endsWith("--download-only")),
  );
});

test("lists that name versions which are gone are read again", async () => {
  let updated = false;
  const system = pretend({
    fails(command, args) {
      if (args[0] === "update") updated = true;
      return args.includes("--download-only") && !updated ? "E: 404 Not Found" : undefined;
    },
  });
  await installPackages(inspect("start", system), quiet, system);
  assert.equal(updated, true);
  assert.doesNotMatch(system.ran.at(-1), /--download-only/);
});

test("an installation that failed leaves no stamp, so that the next run tries again", async () => {
  const system = pretend({
    installed: packagesFor("start"),
    fails: (command) => (command === "bash" ? "E: no space" : undefined),
  });
  const state = inspect("start", system);
  await assert.rejects(
    installEmscripten(state, quiet, system),
    /Emscripten could not be installed/,
  );
  assert.equal(inspect("start", system).emscripten, "install");
  assert.equal(system.files.size, 0);
});

test("npm without a registry: says so, and leaves no stamp", async () => {
  const system = pretend({
    installed: packagesFor("start"),
    fails: (command, args) => (args.includes("ci") ? "ENOTFOUND" : undefined),
  });
  await assert.rejects(
    installNpmPackages(inspect("start", system), quiet, system),
    /npm ci failed: is registry\.npmjs\.org/,
  );
  assert.equal(system.files.size, 0);
});

test("the advice for nothing missing still says what was wrong", () => {
  assert.match(
    advice({ missing: [], emscripten: "ready" }, "No network."),
    /^No network\.\n\nNothing was changed/,
  );
});

test("versions compare by number", () => {
  for (const [a, b, want] of [
    ["3.9", "3.10", false],
    ["3.10", "3.9", true],
    ["10", "10.0.1", false],
    ["10.0.1", "10", true],
    ["14.0.6", "14.0.6", true],
  ]) {
    assert.equal(versionAtLeast(a, b), want, `${a} >= ${b}`);
  }
});
