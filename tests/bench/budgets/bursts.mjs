// The bursts: what is limited, what the provider bills, who asks how often at once.
// Always holds: both gateways get the same requests at the same time from the same provider; what is judged is the provider's own books.
// Absent: retries. A client asks once.
import { setTimeout as sleep } from "node:timers/promises";

const CLIENTS = 64;
const ASK_MS = 60_000;
const WINDOW_MS = 60_000;
/** What one bills: 8 tokens of prompt, 100 of reply. */
const ONE = 0.001_020;
const ask = { messages: [{ role: "user", content: "x" }] };
const short = { ...ask, max_tokens: 100 };
const atOnce = async (clients, send) => { await Promise.all(clients.map(send)); };

/** `fits`: how many requests the limit has room for. The users take turns to be the 64 clients. */
export const BURSTS = [
  { key: "one", title: "dollars for one request and a little", fits: 1, rounds: 5, limits: { usd: 0.001_1 }, body: short },
  { key: "exact", title: "dollars for one request, to the micro-dollar", fits: 1, rounds: 5, limits: { usd: ONE }, body: short },
  { key: "above", title: "the same, billed ten times the estimate", fits: 1, rounds: 5, limits: { usd: 0.001_1 }, body: short, answer: { tokens: 1_000, keepsMaximum: false } },
  {
    key: "streams", title: "dollars for ten streams that name no maximum", fits: 10, rounds: 3, limits: { usd: 0.052_7 },
    body: { ...ask, stream: true, stream_options: { include_usage: true } }, answer: { tokens: 500, pieces: 50, pause: 30 },
  },
  { key: "project", title: "a whole project's dollars for ten, 16 users × 4", fits: 10, rounds: 5, limits: { usd: 10 * ONE + 0.000_9, users: 16, wholeProject: true }, body: short },
  { key: "rate", title: "20 requests a minute, 64 at once", fits: 20, rounds: 1, limits: { rpm: 20 }, body: short },
  {
    key: "edge", title: "20 requests a minute: 1, after 57 s 64, after 61 s 64", fits: 21, rounds: 1, limits: { rpm: 20 }, body: short, slow: true,
    async run(clients, send) {
      const began = Date.now();
      await send(clients[0]);
      for (const at of [57_000, 61_000]) {
        await sleep(began + at - Date.now());
        await atOnce(clients, send);
      }
    },
  },
];

export const accountsOf = (subject) => BURSTS.flatMap((burst) => Array.from({ length: burst.rounds }, (_, round) => `${subject}-${burst.key}-${round}`));

/** Runs every round of a burst against a subject: `{served, over, statuses}`, lists with one entry a round. */
export async function measure(subject, provider, burst) {
  const result = { served: [], over: [], statuses: {} };
  for (let round = 0; round < burst.rounds; round += 1) {
    const account = provider.open(`${subject.key}-${burst.key}-${round}`, burst.answer ?? {});
    const users = await subject.open(`${subject.key}-${burst.key}-${round}`, { users: 1, ...burst.limits });
    const clients = Array.from({ length: CLIENTS }, (_, n) => users[n % users.length]);
    const send = async (client) => {
      const status = await chat(client, burst.body);
      result.statuses[status] = (result.statuses[status] ?? 0) + 1;
    };
    await (burst.run ?? atOnce)(clients, send);
    await account.quiet(ASK_MS);
    result.served.push(account.served.length);
    result.over.push(burst.limits.rpm ? Math.max(0, mostInAWindow(account.served) - burst.limits.rpm) : Math.max(0, account.billed / 1e6 - burst.limits.usd));
  }
  return result;
}

/** The status, once the whole answer has been read. */
async function chat({ url, token, more }, body) {
  const answer = await fetch(url, {
    method: "POST", headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ ...body, ...more }), signal: AbortSignal.timeout(ASK_MS),
  });
  await answer.arrayBuffer();
  return answer.status;
}

/** The most requests that arrived in any window. */
function mostInAWindow(times) {
  const sorted = [...times].sort((a, b) => a - b);
  return Math.max(0, ...sorted.map((start, n) => sorted.slice(n).filter((at) => at - start < WINDOW_MS).length));
}
