// One workerd process that serves one Worker, straight from a config file: no wrangler and no proxy in front, so that the process's CPU
// time is the Worker's. The binary is the one wrangler depends on; date and flags are wrangler.toml's.
// Always holds: start() resolves once workerd says that it listens; stop() ends exactly that process and removes its folder.
// Absent: what the Workers do (passthrough.mjs, build/), and how load is made.
import { spawn } from "node:child_process";
import { closeSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { at, ROOT } from "../../scripts/project.mjs";
import { cpuMicros } from "./cpu.mjs";

/** Objects keep their SQLite here. Memory, if the machine has a folder of it: a disk's fsync is milliseconds of waiting and a millisecond of
 * the kernel's CPU for every commit, none of which exists on Cloudflare, and it drowns everything else. */
const MEMORY = "/dev/shm";
const START_MS = 20_000;
const STOP_MS = 3_000;
const OBJECTS = { USER_OBJECT: "UserObject", PROJECT_OBJECT: "ProjectObject", DIRECTORY_OBJECT: "DirectoryObject", ADDRESS_OBJECT: "AddressObject" };

const binary = createRequire(createRequire(join(ROOT, "package.json")).resolve("wrangler/package.json"))("workerd").default;

/** A Worker as workerd serves it: its folder is made here, its modules are copies, so a build under way cannot disturb. */
export const PASSTHROUGH = { modules: { "passthrough.mjs": at("tests", "bench", "passthrough.mjs") }, bindings: [], objects: {} };
export const GATEWAY = { modules: { "entry.js": at("build", "entry.js"), "index.js": at("build", "index.js"), "index_bg.wasm": at("build", "index_bg.wasm") }, bindings: [`(name = "CONFIG", kvNamespace = "kv")`], objects: OBJECTS };

export class Workerd {
  #child;
  #folder;

  /** @param worker PASSTHROUGH or GATEWAY @param vars its text bindings */
  static async start(worker, vars) {
    const folder = mkdtempSync(join(storage(), "behest-bench-"));
    writeConfig(folder, worker, vars);
    const log = openSync(join(folder, "log"), "w");
    const began = performance.now();
    const child = spawn(binary, ["serve", "--control-fd", "3", join(folder, "config.capnp")], { stdio: ["ignore", log, log, "pipe"] });
    closeSync(log);
    const one = new Workerd();
    one.#child = child;
    one.#folder = folder;
    one.logFile = join(folder, "log");
    // A bench that dies must not leave its workerd behind.
    const orphan = () => { child.kill("SIGKILL"); rmSync(folder, { recursive: true, force: true }); };
    process.once("exit", orphan);
    child.once("exit", () => process.removeListener("exit", orphan));
    try {
      one.port = await listening(child);
    } catch (error) {
      const said = readFileSync(one.logFile, "utf8").slice(-2000);
      await one.stop();
      throw new Error(`workerd did not start: ${error.message}\n${said}`);
    }
    one.startMs = performance.now() - began;
    return one;
  }

  /** CPU time the process has taken so far, all threads, user and system, in µs. */
  cpu() {
    return cpuMicros(this.#child.pid);
  }

  /** Everything the Worker has logged. */
  log() {
    return readFileSync(this.logFile, "utf8");
  }

  async stop() {
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      const forced = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await gone;
      clearTimeout(forced);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Where objects are kept: in memory if that is possible and `--disk` was not asked. */
export function storage() {
  return !process.argv.includes("--disk") && existsSync(MEMORY) ? MEMORY : tmpdir();
}

function listening(child) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`it did not listen within ${START_MS} ms`)), START_MS);
    const settle = (act) => (value) => { clearTimeout(timer); act(value); };
    let said = "";
    child.stdio[3].on("data", (bytes) => {
      said += bytes;
      const line = said.split("\n").find((text) => text.includes('"listen"') && text.endsWith("}"));
      if (line) settle(resolve)(JSON.parse(line).port);
    });
    child.once("error", settle(reject));
    child.once("exit", settle((code) => reject(new Error(`it ended with ${code}`))));
  });
}

function writeConfig(folder, worker, vars) {
  for (const [name, path] of Object.entries(worker.modules)) copyFileSync(path, join(folder, name));
  copyFileSync(at("tests", "bench", "kv.mjs"), join(folder, "kv.mjs"));
  mkdirSync(join(folder, "objects"));
  const toml = readFileSync(at("wrangler.toml"), "utf8");
  const date = /^compatibility_date = "(.+)"/m.exec(toml)[1];
  const flags = /^compatibility_flags = (\[.*\])/m.exec(toml)?.[1] ?? "[]";
  const modules = Object.keys(worker.modules).map((name) => `(name = "${name}", ${name.endsWith(".wasm") ? "wasm" : "esModule"} = embed "${name}")`);
  const objects = Object.values(worker.objects).map((name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`);
  const bindings = [
    ...Object.entries(vars).map(([name, text]) => `(name = "${name}", text = ${JSON.stringify(String(text))})`),
    ...Object.entries(worker.objects).map(([name, className]) => `(name = "${name}", durableObjectNamespace = "${className}")`),
    ...worker.bindings,
  ];
  writeFileSync(join(folder, "config.capnp"), `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "kv", worker = (modules = [(name = "kv.mjs", esModule = embed "kv.mjs")], compatibilityDate = "${date}")),
    (name = "internet", network = (allow = ["private", "public"])),
    (name = "objects", disk = (path = ${JSON.stringify(join(folder, "objects"))}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [${modules.join(", ")}],
  compatibilityDate = "${date}",
  compatibilityFlags = ${flags},
  bindings = [${bindings.join(", ")}],
  durableObjectNamespaces = [${objects.join(", ")}],
  durableObjectStorage = (localDisk = "objects"),
);
`);
}
