// The measurements that compare subjects under load. Each goes round the subjects several times (A B C A B C …), because the machine is
// shared and its speed changes within seconds: what one round says about all three is comparable, and the rounds show the spread.
// Always holds: the numbers of round r of every subject were taken next to each other; results are lists with one number per round.
// Absent: statistics, printing, aims.
import { setTimeout as sleep } from "node:timers/promises";

/** After an answer the gateway still settles; that work belongs to the request. */
const SETTLE_MS = 60;
const WARM_UP = { whole: 5_000, streams: 128, width: 32 };
const CPU = { rounds: 24, requests: 200, width: 8 };
/** One stream at a time: with several, events of different streams may wake workerd together, and how often they do is chance. */
const EVENTS = { rounds: 9, streams: 3, few: 20, many: 220, users: 1 };
const FIRST_BYTE = { rounds: 40, requests: 12, users: 12 };
const RATE = { rounds: 3, requests: 600, widths: [16, 64] };
const COSTS = { requests: 128, width: 16 };

/** How the numbers were made, for the report. */
export const METHOD = { CPU, EVENTS, FIRST_BYTE, RATE, COSTS };

/** Until caches are full and V8 has optimized what is hot: it does that in threads of the same process, so their time would be counted. */
export async function warmUp(subjects) {
  for (const { clients, requests } of subjects) {
    await clients.run(requests({}), WARM_UP.whole, WARM_UP.width);
    await clients.run(requests({ stream: true, seed: EVENTS.few }), WARM_UP.streams, WARM_UP.width);
  }
}

/** CPU µs of a request that is not streamed. */
export async function cpuPerRequest(subjects) {
  return rounds(subjects, {}, CPU.rounds, async (subject) => await cpuOf(subject, subject.requests({}), CPU.requests, CPU.width) / CPU.requests);
}

/** CPU µs of one streamed event: the slope between streams of few and of many events. Also how many events came in one piece. */
export async function cpuPerEvent(subjects) {
  const { streams, few, many, users } = EVENTS;
  const pieces = {};
  const slopes = await rounds(subjects, { users }, EVENTS.rounds, async (subject) => {
    const short = await cpuOf(subject, subject.requests({ stream: true, seed: few }, { users }), streams, 1);
    const long = await cpuOf(subject, subject.requests({ stream: true, seed: many }, { users }), streams, 1, (answers) => {
      (pieces[subject.key] ??= []).push(...answers.map((answer) => many / answer.pieces));
    });
    return (long - short) / streams / (many - few);
  });
  return { slopes, pieces };
}

/** Milliseconds to the first byte of a streamed answer's body, one request after the other: a list of all. */
export async function firstByte(subjects) {
  const { users } = FIRST_BYTE;
  const lists = await rounds(subjects, { users }, FIRST_BYTE.rounds, async ({ clients, requests }) => {
    const answers = await clients.run(requests({ stream: true, seed: 1 }, { users }), FIRST_BYTE.requests, 1);
    return answers.map((answer) => answer.firstByteMs);
  });
  return Object.fromEntries(Object.entries(lists).map(([key, list]) => [key, list.flat()]));
}

/** Requests per second by width. */
export async function rate(subjects) {
  const byWidth = {};
  for (const width of RATE.widths) {
    byWidth[width] = await rounds(subjects, {}, RATE.rounds, async ({ clients, requests }) => {
      const mine = requests({});
      await clients.ready(width);
      const began = performance.now();
      await clients.run(mine, RATE.requests, width);
      return RATE.requests / ((performance.now() - began) / 1000);
    });
  }
  return byWidth;
}

/** What the gateway's own log says that warm requests cost, without a thread and with one. */
export async function costs({ clients, requests, workerd }) {
  const thread = (user) => ({ "x-thread-id": `thread-${user}` });
  const logged = async (headers) => {
    await clients.run(requests({}), requests({}).length, COSTS.width);
    await sleep(SETTLE_MS * 5);
    const before = workerd.log().length;
    await clients.run(requests({}, { headers }), COSTS.requests, COSTS.width);
    await sleep(SETTLE_MS * 5);
    const lines = workerd.log().slice(before).split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
    if (lines.length !== COSTS.requests) throw new Error(`${COSTS.requests} requests were logged as ${lines.length} lines`);
    const of = (field) => lines.map((line) => line[field]);
    return { object_calls: of("object_calls"), rows_written: of("rows_written"), kv_reads: of("kv_reads") };
  };
  return { withoutThread: await logged(), withThread: await logged(thread) };
}

async function cpuOf({ clients, workerd }, requests, count, width, look = () => {}) {
  await clients.ready(width);
  const before = workerd.cpu();
  look(await clients.run(requests, count, width));
  await sleep(SETTLE_MS);
  return workerd.cpu() - before;
}

/** Before the first round each user's object is woken: workerd lets one go after 10 s without a request. */
async function rounds(subjects, whose, count, measure) {
  const lists = Object.fromEntries(subjects.map(({ key }) => [key, []]));
  for (const { clients, requests } of subjects) await clients.run(requests({}, whose), requests({}, whose).length, 1);
  for (let round = 0; round < count; round += 1) {
    for (const subject of subjects) lists[subject.key].push(await measure(subject));
  }
  return lists;
}
