// setup.mjs - brings a machine to where `npm start` and `npm test` can work.
//
//   node scripts/setup.mjs [--for start|test]
//
// Three things are needed: Debian packages, a modern Emscripten (its own private folder, no root
// needed) and the npm packages of the lockfile. Everything is looked at before anything is
// changed: on a machine where something is missing that this script cannot install, it says exactly
// what and stops. It must never change a running system beyond installing the named packages, and
// a second run must cost well under a second.

import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { Steps, StepError, isProgram, reportFailure, runCommand } from "./steps.mjs";
import { emscriptenPrefix, root } from "./paths.mjs";

/**
 * What is needed. `package` is what Debian 12 calls it. It also counts as present when dpkg does not
 * know it but a `command` is on PATH (with `version`, at least that one), or one of `files` exists. What is `optional` is
 * installed where that is possible and missed nowhere: its tests say that they are left out.
 */
export const requirements = [
  { package: "gcc", command: "gcc", version: "10", needed: "start", what: "a C11 compiler" },
  {
    package: "libc6-dev",
    files: ["/usr/include/stdlib.h", "/usr/local/include/stdlib.h"],
    needed: "start",
    what: "the C library's headers",
  },
  { package: "cmake", command: "cmake", version: "3.20", needed: "start", what: "CMake" },
  { package: "ninja-build", command: "ninja", version: "1.8", needed: "start", what: "Ninja" },
  {
    package: "libssl-dev",
    files: ["/usr/include/openssl/evp.h", "/usr/local/include/openssl/evp.h"],
    needed: "start",
    what: "OpenSSL 3's headers",
  },
  {
    package: "libcjson-dev",
    files: ["/usr/include/cjson/cJSON.h", "/usr/local/include/cjson/cJSON.h"],
    needed: "start",
    what: "cJSON's headers",
  },
  {
    package: "zlib1g-dev",
    files: ["/usr/include/zlib.h", "/usr/local/include/zlib.h"],
    needed: "start",
    what: "zlib's headers",
  },
  {
    package: "python3",
    command: "python3",
    version: "3.8",
    needed: "start",
    what: "Python, which Emscripten runs on",
  },
  { package: "xz-utils", command: "xz", needed: "start", what: "xz, to unpack Emscripten" },
  {
    package: "ca-certificates",
    files: [
      "/etc/ssl/certs/ca-certificates.crt",
      "/etc/pki/tls/certs/ca-bundle.crt",
      "/etc/ssl/cert.pem",
    ],
    needed: "start",
    what: "TLS certificates",
  },
  {
    package: "clang-14",
    command: "clang-14",
    needed: "test",
    what: "clang 14, the second compiler and the sanitizers",
  },
  {
    package: "libclang-rt-14-dev",
    files: [
      "/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.asan-x86_64.a",
      "/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.asan-aarch64.a",
    ],
    needed: "test",
    what: "clang 14's sanitizer libraries",
  },
  {
    package: "clang-format-14",
    command: "clang-format-14",
    needed: "test",
    what: "the C formatter; every version formats differently",
  },
  { package: "shfmt", command: "shfmt", version: "3", needed: "test", what: "the shell formatter" },
  {
    package: "chromium",
    command: "chromium",
    version: "113",
    needed: "test",
    what: "a browser to test in",
  },
  {
    package: "firefox-esr",
    command: "firefox-esr",
    needed: "test",
    optional: true,
    what: "another browser to test in",
  },
  {
    package: "python3-torch",
    files: ["/usr/lib/python3/dist-packages/torch/__init__.py"],
    needed: "test",
    optional: true,
    what: "PyTorch, for the tests of the trainer",
  },
  {
    package: "python3-sentencepiece",
    files: ["/usr/lib/python3/dist-packages/sentencepiece/__init__.py"],
    needed: "test",
    optional: true,
    what: "SentencePiece, for the tests of the trainer",
  },
];

const oldestEmscripten = "3.1.58"; // on PATH, where our own cannot be installed
/** For those who build Tercet; who installs the library needs less (`engines`). */
const { devEngines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const oldestNode = devEngines.runtime.version.replace(/^>=/, "");

/** a >= b for dotted versions; what is not a number counts as 0. */
export function versionAtLeast(a, b) {
  const left = a.split("."),
    right = b.split(".");
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const x = Number.parseInt(left[i] ?? "0", 10) || 0,
      y = Number.parseInt(right[i] ?? "0", 10) || 0;
    if (x !== y) return x > y;
  }
  return true;
}

/** The machine as this script sees it; tests put another in its place. */
export function thisSystem() {
  const onPath = (command) =>
    (process.env.PATH ?? "").split(delimiter).some((folder) => {
      try {
        accessSync(join(folder, command), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
  return {
    platform: process.platform,
    nodeVersion: process.versions.node,
    root: process.getuid?.() === 0,
    osRelease: existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "",
    onPath,
    exists: existsSync,
    /** Which of these Debian packages are installed. */
    installedPackages(names) {
      const result = spawnSync(
        "dpkg-query",
        ["-W", "-f=${binary:Package} ${db:Status-Status}\n", ...names],
        { encoding: "utf8" },
      );
      const installed = new Set();
      for (const line of (result.stdout ?? "").split("\n")) {
        const [name, status] = line.split(" ");
        if (status === "installed") installed.add(name.split(":")[0]);
      }
      return installed;
    },
    /** The first version number that `command --version` prints, or null. */
    version(command) {
      if (!onPath(command)) return null;
      const result = spawnSync(command, ["--version"], { encoding: "utf8", timeout: 20_000 });
      return /\d+(\.\d+)+|\d+/.exec(`${result.stdout ?? ""}`)?.[0] ?? null;
    },
    read: (path) => (existsSync(path) ? readFileSync(path, "utf8") : null),
    write(path, text) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    },
    remove: (path) => rmSync(path, { recursive: true, force: true }),
    run: runCommand,
  };
}

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const emscriptenStampPath = `${emscriptenPrefix}.stamp`;
const npmStampPath = join(root, "node_modules", ".tercet-lock");

const emscriptenStamp = (system) =>
  sha256(system.read(join(root, "scripts", "setup-emscripten.sh")) ?? "");
const npmStamp = (system) =>
  sha256(
    `${system.read(join(root, "package-lock.json"))} node ${system.nodeVersion.split(".")[0]}`,
  );

/**
 * Looks, changes nothing.
 * @param {"start" | "test"} purpose
 * @param {ReturnType<typeof thisSystem>} [system]
 */
export function inspect(purpose, system = thisSystem()) {
  const debian =
    /^ID=debian$/m.test(system.osRelease) &&
    system.onPath("apt-get") &&
    system.onPath("dpkg-query");
  const wanted = requirements.filter((need) => need.needed === "start" || purpose === "test");
  const installed = debian
    ? system.installedPackages(wanted.map((need) => need.package))
    : new Set();
  const missing = wanted.filter((need) => {
    if (installed.has(need.package)) return false;
    if (need.optional && !(debian && system.root)) return false;
    if (need.files) return !need.files.some((file) => system.exists(file));
    if (!system.onPath(need.command)) return true;
    if (!need.version) return false;
    const found = system.version(need.command);
    return found === null || !versionAtLeast(found, need.version);
  });
  const ours =
    system.exists(join(emscriptenPrefix, "bin", "emcc")) &&
    system.read(emscriptenStampPath) === emscriptenStamp(system);
  let emscripten = "ready";
  if (!ours) {
    // Elsewhere than on Debian a recent one on PATH will do; it is not what we test with.
    const onPath = debian ? null : system.version("emcc");
    if (debian) emscripten = "install";
    else if (onPath === null || !versionAtLeast(onPath, oldestEmscripten)) emscripten = "missing";
  }
  const npm = system.read(npmStampPath) === npmStamp(system) ? "ready" : "install";
  return { debian, missing, emscripten, npm };
}

/** What a person must do, in full; the text of the failure when this script cannot do it. */
export function advice(state, reason) {
  const lines = [reason];
  if (state.missing.length > 0) {
    lines.push("", "Missing on this machine:");
    for (const need of state.missing) {
      lines.push(
        `  ${need.package.padEnd(20)} ${need.what}${need.version ? ` (${need.version} or newer)` : ""}`,
      );
    }
    lines.push("", "On Debian 12, install them as root with:");
    lines.push(
      `  apt-get update && apt-get install --no-install-recommends ${state.missing.map((need) => need.package).join(" ")}`,
    );
  }
  if (state.emscripten === "missing") {
    lines.push(
      "",
      `Missing on this machine: Emscripten ${oldestEmscripten} or newer (emcc on PATH).`,
    );
    lines.push(
      "  Install it from https://emscripten.org and put it on PATH; on Debian this project installs its own.",
    );
  }
  lines.push("", "Nothing was changed. Run the same command again afterwards.");
  return lines.join("\n");
}

/** Throws unless everything that is missing can be installed from here. */
export function requirePossible(state, system = thisSystem(), folder = root) {
  if (system.platform !== "linux") {
    throw new StepError(
      advice(
        state,
        `Tercet builds on Linux; this is ${system.platform}. Use a Debian 12 machine or container.`,
      ),
    );
  }
  if (!versionAtLeast(system.nodeVersion, oldestNode)) {
    throw new StepError(
      `Node.js ${oldestNode} or newer is needed; this is ${system.nodeVersion}. Nothing was changed.`,
    );
  }
  // Emscripten's own scripts break there, after minutes of set-up.
  if (/[\s"'\\$]/.test(folder)) {
    throw new StepError(
      `Tercet cannot be built in a folder whose path holds a space, a quote, a backslash or a dollar sign: ${folder}. Move it elsewhere. Nothing was changed.`,
    );
  }
  if (state.missing.length === 0 && state.emscripten !== "missing") return;
  if (!state.debian) {
    throw new StepError(
      advice(state, "This is not a Debian machine, so the set-up cannot install what is missing."),
    );
  }
  if (!system.root) {
    throw new StepError(
      advice(state, "Installing Debian packages needs root, and this is another user."),
    );
  }
}

/** apt's own progress: "dlstatus:1:10.3:Downloading..." and "pmstatus:cmake:40.0:Unpacking cmake". */
function aptProgress(report) {
  return (line) => {
    const status = /^(dl|pm)status:([^:]*):([\d.]+):(.*)$/.exec(line);
    if (status) report(`${String(Math.round(Number(status[3]))).padStart(3)}%  ${status[4]}`);
  };
}

/** Installs the Debian packages that are missing. Root and Debian are taken for granted here. */
export async function installPackages(state, report, system = thisSystem()) {
  const names = state.missing.map((need) => need.package);
  if (names.length === 0) return "nothing is missing";
  const env = { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
  const offline = (error, doing) => {
    if (!(error instanceof StepError)) throw error;
    const last = error.output
      .trim()
      .split("\n")
      .filter((line) => /^(E|W|Err):?/.test(line))
      .slice(-3)
      .join("\n");
    throw new StepError(
      advice(state, `apt-get could not ${doing}: is there a network?\n${last}`.trimEnd()),
    );
  };
  const install = [
    "install",
    "-y",
    "--no-install-recommends",
    "-o",
    "APT::Status-Fd=3", // its own: apt makes this descriptor non-blocking for all who write to it
    "-o",
    "Acquire::Retries=2",
    "-o",
    "Dpkg::Lock::Timeout=120",
    "-o",
    "Dpkg::Use-Pty=0", // a container need not have /dev/pts
    ...names,
  ];
  // The lists of a fresh machine or image are empty or old; a simulation tells without changing anything.
  const known = await system.run(
    "apt-get",
    ["install", "-s", "--no-install-recommends", ...names],
    { env, accept: [0, 100] },
  );
  const update = async () => {
    report("reading the package lists (apt-get update)");
    await system
      .run("apt-get", ["update", "-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Retries=2"], {
        env,
      })
      .catch((error) => offline(error, "read the package lists"));
  };
  if (known.code !== 0) await update();
  report(`installing ${names.join(" ")}`);
  const onStatus = aptProgress(report);
  // Download apart from installation: a network that fails then leaves the system as it was.
  const download = (first) =>
    system
      .run("apt-get", [...install, "--download-only"], { env, onStatus })
      .catch(async (error) => {
        if (!first || known.code !== 0) return offline(error, "download the packages");
        await update(); // the lists named versions that the archive no longer has
        return download(false);
      });
  await download(true);
  await system.run("apt-get", install, {
    env,
    onStatus,
    failure: `apt-get could not install ${names.join(" ")}`,
  });
  return `installed ${names.join(" ")}`;
}

/** Installs our Emscripten; 30 to 80 s and 950 MB in .toolchain/. */
export async function installEmscripten(state, report, system = thisSystem()) {
  if (state.emscripten === "ready") return "Emscripten is ready";
  await system.run(
    "bash",
    [join(root, "scripts", "setup-emscripten.sh"), "--private", emscriptenPrefix],
    {
      onLine: (line) => report(line.replace(/^\[emscripten[^\]]*\] ?/, "")),
      failure:
        "Emscripten could not be installed, for the reason above (it is fetched from your Debian mirror). Then run the same command again",
    },
  );
  system.write(emscriptenStampPath, emscriptenStamp(system));
  return "Emscripten is installed";
}

/** Installs what package-lock.json names, and nothing else. */
export async function installNpmPackages(state, report, system = thisSystem()) {
  if (state.npm === "ready") return "npm packages are ready";
  report("npm ci");
  // The npm that runs us, if one does: it need not be on PATH.
  const cli = process.env.npm_execpath;
  const [command, args] = cli?.endsWith(".js") ? [process.execPath, [cli]] : ["npm", []];
  // Without scripts: esbuild's only saves a few milliseconds at start, the rest have none.
  await system.run(
    command,
    [
      ...args,
      "ci",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      "--fetch-retry-mintimeout=2000",
      "--fetch-retry-maxtimeout=8000",
    ],
    {
      cwd: root,
      failure:
        "npm ci failed: is registry.npmjs.org, or your npm registry, within reach? Then run the same command again",
    },
  );
  system.write(npmStampPath, npmStamp(system));
  return "npm packages are installed";
}

/** All of it, as one program. */
export async function setup(purpose, steps = new Steps(3), system = thisSystem()) {
  const state = inspect(purpose, system);
  requirePossible(state, system);
  await steps.run("Debian packages", (report) => installPackages(state, report, system));
  await steps.run("Emscripten", (report) => installEmscripten(state, report, system));
  await steps.run("npm packages", (report) => installNpmPackages(state, report, system));
}

if (isProgram(import.meta)) {
  const at = process.argv.indexOf("--for");
  const purpose = at < 0 ? "start" : process.argv[at + 1];
  if (purpose !== "start" && purpose !== "test") {
    process.stderr.write("usage: node scripts/setup.mjs [--for start|test]\n");
    process.exitCode = 2;
  } else {
    await setup(purpose).catch(reportFailure);
  }
}
