// What is measured: one kind of request after the other, on one gateway, from the same users in turn; and on a second one, what telling the
// project costs.
// Always holds: every answer is the one that the scenario is about, else the bench ends; what the gateway does after an answer has settled
// before the meter is read. No user settles 50 requests between two measurements: the 50th tells the project at once.
// Absent: money (model.mjs).
import { setTimeout as sleep } from "node:timers/promises";
import { ASK_MS, Project } from "./project.mjs";

const USERS = 64;
const SETTLE_MS = 600;
const FORGOTTEN_MS = 31_000;
/** A user that was heard a moment ago is not asked to give back: near a limit what it does not use is free for others after 10 s. */
const GIVEN_BACK_MS = 11_000;
/** Limits as an owner sets them who has room: leases are large and live for 15 minutes. */
const ROOMY = { project_rpm: 1_000_000, user_rpm: 100_000, user_tokens_per_day: 1_000_000_000, project_tokens_per_day: 1_000_000_000_000, project_usd_per_month: 1_000_000 };
/** How long requests wait until the project is told, in the gateway where that is measured. */
export const TELL_SECONDS = 6;
const TOLD_MS = (TELL_SECONDS + 4) * 1_000;

/** One gateway under measurement. */
class Measuring {
  results = [];

  constructor({ workerd, provider, admin, progress }) {
    Object.assign(this, { workerd, provider, admin, progress, base: `http://127.0.0.1:${workerd.port}` });
  }

  async meter(method) {
    return (await fetch(`${this.base}/meter`, { method, signal: AbortSignal.timeout(ASK_MS) })).json();
  }

  /** `work` answers how many there were of what the title names. */
  async measure(key, title, work, settleMs = SETTLE_MS) {
    this.progress(title);
    await sleep(SETTLE_MS);
    const before = await this.meter("DELETE");
    const [cpu, logged] = [this.workerd.cpu(), this.workerd.log().length];
    const count = await work();
    await sleep(settleMs);
    const cpuMicros = this.workerd.cpu() - cpu;
    const { bytes, ...counted } = await this.meter("GET");
    const lines = this.workerd.log().slice(logged).split("\n").filter((line) => line.startsWith("{"));
    this.results.push({
      key, title, count, cpuMicros, ...counted, logLines: lines.length, logBytes: lines.join("\n").length + 1,
      keptBytes: (bytes.user ?? 0) - (before.bytes.user ?? 0),
    });
  }

  /** A project of its own, served by the provider's account of that name. */
  project(account, limits = {}) {
    return Project.create(this.base, this.admin, this.provider.url(account), { ...ROOMY, ...limits });
  }
}

/** `[{key, title, count, cpuMicros, kv_reads, kv_writes, objects, logLines, logBytes, keptBytes}]`, numbers of all requests together. */
export async function measureAll(options) {
  options.provider.open("quick", { wait: 0 });
  const measuring = new Measuring(options);
  const project = await measuring.project("quick");
  await project.users(USERS);
  await steady(measuring, project);
  await limited(measuring);
  await streams(measuring);
  await storage(measuring);
  await measuring.measure("mint", "a token minted", async () => { for (let n = 0; n < USERS; n += 1) await project.mint(`user-${n}`); return USERS; });
  await project.chats(USERS);
  measuring.progress("wait until the isolate has forgotten the project");
  await sleep(FORGOTTEN_MS);
  await measuring.measure("cold", "an isolate's first of a project in 30 s", () => project.chats(1));
  return measuring.results;
}

async function steady(measuring, project) {
  const headers = (n) => ({ "x-thread-id": `thread-${n}` });
  await measuring.measure("first", "a user's first request", () => project.chats(USERS, { width: 1 }));
  await project.chats(20 * USERS);
  await measuring.measure("warm", "without a thread", () => project.chats(10 * USERS));
  await project.chats(USERS, { headers });
  await measuring.measure("thread", "in a thread, turns 2 to 11", () => project.chats(10 * USERS, { headers }));
  await project.limit({ project_rpm: ROOMY.project_rpm + 1 });
  await measuring.measure("lease", "with a new lease", () => project.chats(USERS, { width: 1 }));
}

/** A project whose day has 256 requests: the first 200 go unmeasured, then each asks for its own. And refusals. */
async function limited(measuring) {
  const project = await measuring.project("quick", { project_requests_per_day: 256 });
  await project.users(16);
  await project.chats(200, { width: 1 });
  await sleep(GIVEN_BACK_MS);
  await measuring.measure("near", "near the project's limit, 16 users", () => project.chats(48, { width: 1 }));
  await sleep(GIVEN_BACK_MS);
  await project.chats(8, { width: 1 });
  await measuring.measure("refused", "refused: the project's budget is spent", () => project.chats(USERS, { width: 1, status: 402 }));
  const strict = await measuring.project("quick", { user_rpm: 1 });
  await strict.users(16);
  await strict.chats(16);
  await measuring.measure("refused-user", "refused: the user's own limit", () => strict.chats(USERS, { width: 1, status: 429 }));
}

async function streams(measuring) {
  measuring.provider.open("slow", { wait: 0, tokens: 500, pieces: 500, pause: 20 });
  const project = await measuring.project("slow");
  await project.users(16);
  await project.chats(16);
  await measuring.measure("stream", "a stream of 10 s, 500 events", () => project.chats(16, { width: 16, body: { stream: true, max_tokens: 1_000 } }));
}

/** One user, so that what is kept is much more than a page. */
async function storage(measuring) {
  const project = await measuring.project("quick");
  await project.users(1);
  await project.chats(10);
  await measuring.measure("kept", "what a request's row keeps", () => project.chats(500));
  await measuring.measure("kept-thread", "what a turn keeps", () => project.chats(250, { width: 1, headers: (_, n) => ({ "x-thread-id": `thread-${n % 25}` }) }));
}

/** Batches of requests on their way from users to the project, each batch with all its requests. */
export async function measureTelling(options) {
  const measuring = new Measuring(options);
  const project = await measuring.project("quick");
  await project.users(32);
  await project.chats(32);
  await sleep(TOLD_MS);
  for (const each of [1, 10]) {
    await measuring.measure(`told-${each}`, `${each} request${each > 1 ? "s" : ""} of a user, and the project told`, async () => (await project.chats(32 * each)) / each, TOLD_MS);
  }
  return measuring.results;
}
