// The cost of requests as Markdown tables: what each kind uses, how it grows, the price list it is made with.
// Always holds: dollars are per million of what the row names, at list prices; the aim is shown whether it is met or not.
// Absent: opinion.
import { batchesAt, dollars, leasesAt, minus, mixture, parts, usage } from "./model.mjs";
import { GUESSES, OBJECT_GB, PLAN_DOLLARS, PRICES, READ } from "./prices.mjs";

const AIM = 2.70;
const MILLION = 1e6;
const row = (cells) => `| ${cells.join(" | ")} |`;
const table = (head, rows) => [row(head), row(head.map((title, n) => (n && title !== "source" ? "--:" : "---"))), ...rows.map(row)].join("\n");
const number = (value, digits = 2) => (Math.abs(value) < 0.005 && digits === 2 ? "0" : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const price = (used) => number(MILLION * dollars(used));

export function markdown({ machine, results }) {
  const of = Object.fromEntries(results.map((one) => [one.key, one]));
  const made = parts(results);
  return [
    `Measured on ${new Date().toISOString().slice(0, 10)} (${machine}), priced with the list of ${READ}.`,
    "### One request", requests(results), aim(made),
    "### What grows with users", pace(made), whole(made),
    "### Streams, threads, storage, logs", others(of, made),
    "### The price list", list(),
  ].join("\n\n");
}

/** One row per kind of request. */
function requests(results) {
  const rows = results.filter(({ key }) => !/^(told|kept)/.test(key)).map((one) => {
    const used = usage(one, 1);
    const asked = (kind) => (one.objects[kind]?.calls ?? 0) / one.count;
    return [one.title, number(asked("user")), number(asked("project")), number(used.rowWritten), number(used.rowRead, 1), number(used.kvRead), number(used.cpuMs), price(used)];
  });
  return table(["", "calls of the user's object", "of the project's", "rows written", "rows read", "KV reads", "CPU ms", "$ per million"], rows);
}

function aim({ bare, lease, leases, told, one, ten }) {
  const share = (unit) => number(MILLION * bare[unit] * PRICES[unit].dollars);
  const often = leases > 0 ? `here every ${number(1 / leases, 0)}th request asked for one, for a slice is at most some requests large` : "here no request without a thread asked for one";
  return `\`begin\` + \`finish\` alone, no lease asked for and no stream: **${price(bare)} $** (aim ≤ ${number(AIM)}: ${MILLION * dollars(bare) <= AIM ? "met" : "**missed**"}), of which rows ${share("rowWritten")}, `
    + `the Worker's request ${share("request")}, objects' calls ${share("objectCall")}, objects' time ${share("gbSecond")}, CPU ${share("cpuMs")}.\n\n`
    + `A million leases cost ${price(lease)} $; ${often}. `
    + (told ? `Telling a project of a million users' requests costs ${price(one)} $ for one request each, ${price(ten)} $ for ten each.` : "In this build projects are told of nothing.");
}

const PACES = [["six a minute", 6], ["one a minute", 1], ["one in five minutes", 1 / 5], ["one in a quarter of an hour, or less", 1 / 15]];

function pace(made) {
  return table(["a user's requests, without a thread", "leases per request", "batches per request", "$ per million"], PACES.map(([title, perMinute]) => [
    title, number(leasesAt(made, perMinute)), number(batchesAt(made, perMinute)), price(mixture(made, perMinute)),
  ]));
}

/** A month of a deployment, what the plan includes taken off. */
function whole(made) {
  const each = mixture(made, 1);
  const rows = [1_000, 10_000, 100_000, 1_000_000].map((users) => {
    const requests = users * 20 * 30;
    const bill = Object.entries(each).reduce((sum, [unit, amount]) => sum + Math.max(0, amount * requests - PRICES[unit].included) * PRICES[unit].dollars, PLAN_DOLLARS);
    return [number(users, 0), number(requests / MILLION, 1), number(bill, 0)];
  });
  return `A month of users who send 20 requests a day, one a minute, with what the plan includes taken off:\n\n${table(["users", "million requests", "$ a month"], rows)}`;
}

function others(of, { bare, stream, thread }) {
  const report = { objectCall: 1, gbSecond: (GUESSES.objectMs / 1000) * OBJECT_GB, rowWritten: 1 };
  const kept = (key, title) => {
    const bytes = of[key].keptBytes / of[key].count;
    return [`${title}, kept a month (${number(bytes, 0)} bytes)`, number(bytes * 1e-9 * MILLION * PRICES.gbMonth.dollars)];
  };
  const events = 1 + bare.objectCall;
  const line = of.warm.logBytes / of.warm.logLines;
  return table(["", "$ per million"], [
    ["a stream of 10 s, over a short answer", price(minus(stream, bare))],
    ["a progress report (a call and a row)", price(report)],
    ["a turn in a thread, over a request without", price(minus(thread, bare))],
    kept("kept", "a request's row"), kept("kept-thread", "a request's row and a turn of the bench's size"),
    [`logs, until 2026-11-30: our line, and one event for each of ${number(events, 0)} invocations`, number(MILLION * (1 + events) * PRICES.logEvent.dollars)],
    ["logs, until 2026-11-30, with `invocation_logs = false`: our line alone", number(MILLION * PRICES.logEvent.dollars)],
    [`logs, from 2026-12-01, all of them (our line: ${number(line, 0)} bytes)`, number(MILLION * ((1 + events) * GUESSES.logExtraBytes + line) * 1e-9 * PRICES.logGb.dollars)],
  ]);
}

function list() {
  const rows = Object.values(PRICES).map(({ dollars: each, included, what, source }) => {
    const [per, unit] = each < 0.01 ? [each * MILLION, "a million"] : [each, "each"];
    return [what, `${number(per, per < 0.01 ? 3 : 2)} $ ${unit}`, included.toLocaleString("en-US"), source];
  });
  return `${table(["", "price", "included a month", "source"], rows)}\n\nGuesses of ours: an object is active for ${GUESSES.objectMs} ms per call (locally it is under 1); the platform adds ${GUESSES.logExtraBytes} bytes to each log event.`;
}
