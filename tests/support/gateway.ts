// The built Worker as a child process: `wrangler dev`, as a newcomer would run it, on a loopback port that the kernel gives it; or Miniflare
// alone (direct.mjs). Always holds: start() resolves only once /healthz answers, or rejects with the end of the log; stop() and kill() end
// exactly this child's process group (wrangler, esbuild, workerd) and nothing else; no variable of the caller's environment or `.dev.vars`
// leaks in.
// Absent: building. `npm run build` comes first.
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const projectRoot = fileURLToPath(new URL("../..", import.meta.url));
const START_MS = 45_000;

export type Vars = Record<string, string | number>;

/** What every test gateway is started with; tests override by name, `undefined` takes a variable away. */
export const ADMIN_TOKEN = "admin-token-for-tests-9f1c2b7a5d";
const DEFAULT_VARS: Vars = {
  BEHEST_ADMIN_TOKEN: ADMIN_TOKEN,
  BEHEST_MASTER_KEY: Buffer.from("0123456789abcdef0123456789abcdef").toString("base64"),
  ALLOW_PRIVATE_UPSTREAMS: 1,
  IP_RPM: 0,
};

export interface StartOptions {
  /** Folder for KV and Durable Objects; a fresh one if absent. A given folder is the caller's to remove. */
  persist?: string;
  vars?: Record<string, string | number | undefined>;
  /** Without wrangler and its proxy, which hides a client's leaving from the Worker. */
  direct?: boolean;
  /** A module of this folder that stands before the built Worker. Only without wrangler. */
  entry?: string;
  /** The same Worker a second time, for an `entry` that sends some requests there (isolates.mjs). */
  second?: boolean;
  /** The URL of a script that answers for Workers AI (fake-ai.mjs); only with `direct`. */
  ai?: string;
  /** How long to wait for it to be healthy, in ms. */
  healthMs?: number;
}

/** What wrangler and direct.mjs print when they listen. Asking for port 0 and reading which it is: one chosen beforehand may be gone again. */
const READY = /Ready on (http:\/\/127\.0\.0\.1:\d+)\s/;

export class Gateway {
  /** Its origin, once it has started. */
  url = "";

  private constructor(
    readonly persist: string,
    readonly logFile: string,
    private readonly child: ChildProcess,
    private readonly scratch: string,
  ) {}

  static async start(options: StartOptions = {}): Promise<Gateway> {
    const scratch = mkdtempSync(join(tmpdir(), "behest-test-"));
    const persist = options.persist ?? join(scratch, "state");
    const logFile = join(scratch, "gateway.log");
    const vars = Object.fromEntries(Object.entries({ ...DEFAULT_VARS, ...options.vars }).filter(([, value]) => value !== undefined)) as Vars;
    const command = options.direct || options.entry || options.ai ? direct(persist, vars, options) : wranglerDev(persist, scratch, vars);
    const child = launch(command, scratch, logFile);
    const gateway = new Gateway(persist, logFile, child, scratch);
    try {
      await gateway.untilHealthy(options.healthMs ?? START_MS);
    } catch (error) {
      const log = gateway.log();
      await gateway.stop();
      throw new Error(`the gateway did not start: ${error}\n--- end of its log ---\n${log.slice(-4000)}`);
    }
    return gateway;
  }

  /** Everything wrangler and the Worker have printed so far, stdout and stderr. */
  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, "utf8") : "";
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** SIGKILL to the whole group at once: no process of it gets to flush or say goodbye. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  /** A polite end, then a forced one; removes the scratch folder (a `persist` that was given stays). */
  async stop(): Promise<void> {
    if (this.running) {
      this.signal("SIGTERM");
      const deadline = Date.now() + 3_000;
      while (this.running && Date.now() < deadline) await sleep(20);
    }
    await this.end("SIGKILL");
    rmSync(this.scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    this.signal(signal);
    const deadline = Date.now() + 5_000;
    while (this.running && Date.now() < deadline) await sleep(10);
    if (this.running) throw new Error(`process ${this.child.pid} outlived ${signal}`);
  }

  private signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.child.pid!, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  private async untilHealthy(within: number): Promise<void> {
    const deadline = Date.now() + within;
    while (Date.now() < deadline) {
      if (!this.running) throw new Error(`wrangler ended with ${this.child.exitCode ?? this.child.signalCode}`);
      this.url = this.log().match(READY)?.[1] ?? "";
      const healthy = this.url && await fetch(`${this.url}/healthz`, { signal: AbortSignal.timeout(2_000) }).then((answer) => answer.arrayBuffer().then(() => answer.ok)).catch(() => false);
      if (healthy) return;
      await sleep(50);
    }
    throw new Error(`no healthy answer within ${within} ms`);
  }
}

function wranglerDev(persist: string, scratch: string, vars: Vars): string[] {
  const wrangler = join(projectRoot, "node_modules", "wrangler", "bin", "wrangler.js");
  if (!existsSync(wrangler)) throw new Error("wrangler is not installed: run `npm ci` first");
  const empty = join(scratch, "empty.env");
  writeFileSync(empty, "");
  return [
    wrangler, "dev", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0", "--persist-to", persist,
    "--env-file", empty, "--show-interactive-dev-session=false", ...Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`]),
  ];
}

function direct(persist: string, vars: Vars, { entry: name, ai, second }: StartOptions): string[] {
  const texts = Object.fromEntries(Object.entries(vars).map(([name, value]) => [name, String(value)]));
  const entry = name && fileURLToPath(new URL(name, import.meta.url));
  return [fileURLToPath(new URL("direct.mjs", import.meta.url)), JSON.stringify({ root: projectRoot, persist, vars: texts, entry, ai, second })];
}

function launch(command: string[], scratch: string, logFile: string): ChildProcess {
  const child = spawn(process.execPath, command, { cwd: projectRoot, detached: true, stdio: ["ignore", "pipe", "pipe"], env: environment(scratch) });
  const log = createWriteStream(logFile);
  child.stdout!.pipe(log, { end: false });
  child.stderr!.pipe(log, { end: false });
  // A test run that dies must not leave its gateway behind.
  const orphan = () => { try { process.kill(-child.pid!, "SIGKILL"); } catch { /* already gone */ } };
  process.once("exit", orphan);
  child.once("exit", () => process.removeListener("exit", orphan));
  return child;
}

function environment(home: string): NodeJS.ProcessEnv {
  return {
    PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
    HOME: home,
    NO_COLOR: "1",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    WRANGLER_SEND_METRICS: "false",
  };
}
