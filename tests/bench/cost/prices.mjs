// Cloudflare's price list for the Workers Paid plan, in US dollars, beyond what the plan's 5 dollars a month include.
// Always holds: a number stands beside its source; what is no price but a guess of ours is among GUESSES.
// Absent: contracts, the free plan, regions (prices are the same everywhere).
export const READ = "2026-11-22";

const WORKERS = "developers.cloudflare.com/workers/platform/pricing";
const OBJECTS = "developers.cloudflare.com/durable-objects/platform/pricing";
const KV = "developers.cloudflare.com/kv/platform/pricing";
const LOGS = "developers.cloudflare.com/observability/pricing";

/** Dollars per unit; `included` is a month's. */
export const PRICES = {
  request: { dollars: 0.30 / 1e6, included: 10e6, what: "request to the Worker", source: WORKERS },
  cpuMs: { dollars: 0.02 / 1e6, included: 30e6, what: "ms of the Worker's CPU", source: WORKERS },
  objectCall: { dollars: 0.15 / 1e6, included: 1e6, what: "call of an object, alarms too", source: OBJECTS },
  gbSecond: { dollars: 12.50 / 1e6, included: 400e3, what: "GB-s that an object is active (128 MB each)", source: OBJECTS },
  rowRead: { dollars: 0.001 / 1e6, included: 25e9, what: "row read", source: OBJECTS },
  rowWritten: { dollars: 1.00 / 1e6, included: 50e6, what: "row written or deleted, or an alarm set", source: OBJECTS },
  gbMonth: { dollars: 0.20, included: 5, what: "GB-month that objects keep", source: OBJECTS },
  kvRead: { dollars: 0.50 / 1e6, included: 10e6, what: "KV read", source: KV },
  kvWrite: { dollars: 5.00 / 1e6, included: 1e6, what: "KV write", source: KV },
  logEvent: { dollars: 0.60 / 1e6, included: 20e6, what: "log event, until 2026-11-30", source: WORKERS },
  logGb: { dollars: 0.25, included: 50, what: "GB of logs taken in, from 2026-12-01", source: LOGS },
};

export const PLAN_DOLLARS = 5;
export const OBJECT_GB = 0.128;

/** What nobody can measure on a machine of one's own. */
export const GUESSES = {
  /** How long an object is active for one call, ms. Locally it is well under 1; on the platform a write also waits for its copies. */
  objectMs: 10,
  /** What the platform adds to a log event, bytes. */
  logExtraBytes: 1_000,
};
