// The results as Markdown for people; the JSON has the same numbers and every round behind them.
// Always holds: a ratio is the median of the rounds' own ratios, each taken from measurements that lie next to each other; a spread in
// brackets is the quartiles.
// Absent: any opinion that could fail a build.
import { AIMS, atLeast, verdict } from "./aims.mjs";
import { mean, median, percentile } from "./numbers.mjs";

const NAMES = { passthrough: "pass-through", unmetered: "gateway without objects", gateway: "gateway" };
const KEYS = Object.keys(NAMES);
const DIALECTS = { gateway: "OpenAI, passed through", anthropic: "Anthropic, translated", gemini: "Gemini, translated" };
const GATEWAYS = KEYS.slice(1);
const number = (value, digits = 0) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const spread = (values, digits = 0) => `${number(median(values), digits)} [${number(percentile(values, 0.25), digits)}–${number(percentile(values, 0.75), digits)}]`;
const above = (values, base) => values.map((value, round) => value - base[round]);
const over = (values, base) => values.map((value, round) => value / base[round]);
const row = (...cells) => `| ${cells.join(" | ")} |`;
const table = (head, rows) => [row(...head), row(...head.map(() => "---")), ...rows.map((cells) => row(...cells))].join("\n");

export function markdown(results) {
  return [
    `## Speed against a pass-through Worker\n\n${results.machine}. Brackets are quartiles of the rounds.`,
    cpu(results.cpu, results.events.slopes),
    dialects(results.cpu, results.events.slopes),
    latency(results.firstByte),
    rate(results.rate),
    admissions(results.admissions),
    billed(results.costs),
    size(results),
    method(results),
  ].join("\n\n");
}

function cpu(requests, events) {
  const aim = { unmetered: AIMS.unmeteredRatio, gateway: AIMS.gatewayRatio };
  return table(["", "CPU µs per request", "× pass-through", "aim", "CPU µs per streamed event", "× pass-through", "aim"], KEYS.map((key) => {
    const [ratios, eventRatios] = [over(requests[key], requests.passthrough), over(events[key], events.passthrough)];
    const base = key === "passthrough";
    return [
      NAMES[key], spread(requests[key]), base ? "1" : spread(ratios, 2), base ? "" : verdict(median(ratios), aim[key], " ×"),
      spread(events[key]), base ? "1" : spread(eventRatios, 2), base ? "" : verdict(median(events[key]), AIMS.eventMicros, " µs"),
    ];
  }));
}

function dialects(requests, events) {
  return table(["the gateway by dialect", "CPU µs per request", "× OpenAI", "CPU µs per streamed event", "× OpenAI", "aim"], Object.entries(DIALECTS).map(([key, name]) => {
    const [ratios, eventRatios] = [over(requests[key], requests.gateway), over(events[key], events.gateway)];
    const base = key === "gateway";
    return [name, spread(requests[key]), base ? "1" : spread(ratios, 2), spread(events[key]), base ? "1" : spread(eventRatios, 2), base ? "" : verdict(median(eventRatios), AIMS.dialectRatio, " ×")];
  }));
}

function latency(lists) {
  const aim = { unmetered: AIMS.unmeteredFirstByteMs, gateway: AIMS.gatewayFirstByteMs };
  const added = (key, share) => percentile(lists[key], share) - percentile(lists.passthrough, share);
  return table(["first byte of a stream, ms", "p50", "p99", "added p50", "added p99", "aim (p50)"], KEYS.map((key) => {
    const [p50, p99] = [0.5, 0.99].map((share) => number(percentile(lists[key], share), 2));
    if (key === "passthrough") return [NAMES[key], p50, p99, "", "", ""];
    return [NAMES[key], p50, p99, number(added(key, 0.5), 2), number(added(key, 0.99), 2), verdict(added(key, 0.5), aim[key], " ms")];
  }));
}

function rate(byWidth) {
  const widths = Object.keys(byWidth);
  return table(["requests/s", ...widths.map((width) => `${width} at once`)], KEYS.map((key) => [NAMES[key], ...widths.map((width) => spread(byWidth[width][key]))]));
}

function admissions(rates) {
  return table(["", "a second", "aim"], [["requests that one user's object admits and settles", spread(rates), atLeast(median(rates), AIMS.admissionsPerSecond)]]);
}

function billed({ withoutThread, withThread }) {
  const fields = [["object calls", "object_calls", AIMS.objectCalls], ["rows written", "rows_written", AIMS.rowsWritten], ["KV reads", "kv_reads", AIMS.kvReads]];
  return table(["per warm request", "without a thread", "with a thread", "aim"], fields.map(([title, field, aim]) => {
    const [alone, threaded] = [withoutThread[field], withThread[field]];
    return [title, `${median(alone)} (mean ${number(mean(alone), 2)})`, `${median(threaded)} (mean ${number(mean(threaded), 2)})`, verdict(Math.max(median(alone), median(threaded)), aim)];
  }));
}

function size({ wasm, cold }) {
  const added = above(cold.gateway, cold.passthrough);
  const first = above(cold.first.gateway, cold.first.passthrough);
  return table(["", "", "aim"], [
    ["Wasm", `${number(wasm.bytes)} bytes, gzipped ${number(wasm.gzipped)}`, verdict(wasm.bytes, AIMS.wasmBytes, " bytes")],
    ["cold start", `${spread(added)} ms more than the pass-through, of which ${spread(first)} ms in the first request`, verdict(median(added), AIMS.coldStartMs, " ms")],
  ]);
}

function method({ method: { CPU, EVENTS, FIRST_BYTE, RATE }, storage, events, cold }) {
  const alone = GATEWAYS.map((key) => `${number(median(events.pieces[key]), 2)} (${NAMES[key]})`).join(", ");
  return `How: each subject is a workerd process of its own, served without wrangler; the same requests, the same fake provider on loopback; subjects take turns.
CPU is user and system time of all threads of that process: ${CPU.rounds} rounds of ${CPU.requests} warm requests, ${CPU.width} at once, each from another user.
An event's CPU is the slope between streams of ${EVENTS.few} and ${EVENTS.many} events 1 ms apart, one stream at a time, ${EVENTS.rounds} rounds of ${EVENTS.streams}; events that arrived in one piece: ${alone}, 1.00 is none.
First byte: ${FIRST_BYTE.rounds * FIRST_BYTE.requests} streams one after the other. Requests/s: ${RATE.rounds} rounds of ${RATE.requests}; the load generator and the provider share the machine.
Cold start: exec of workerd to the first answered /healthz, less the same of the pass-through, ${cold.gateway.length} fresh processes each. Objects keep their SQLite in ${storage}.`;
}
