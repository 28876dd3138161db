// From what was counted to dollars.
// Always holds: list prices, as if the plan included nothing; what a guess goes into is said where it is shown.
// Absent: counting, printing.
import { GUESSES, OBJECT_GB, PRICES } from "./prices.mjs";

/** What one of a scenario's requests uses, by the units of the price list. */
export function usage({ count, cpuMicros, kv_reads, kv_writes, objects }, requests = 1) {
  const sum = (field) => Object.values(objects).reduce((total, one) => total + one[field], 0);
  const calls = sum("calls") + sum("alarms");
  return {
    request: requests, cpuMs: cpuMicros / 1000 / count,
    objectCall: calls / count, gbSecond: (calls / count) * (GUESSES.objectMs / 1000) * OBJECT_GB,
    rowRead: sum("rows_read") / count, rowWritten: (sum("rows_written") + sum("alarms_set")) / count,
    kvRead: kv_reads / count, kvWrite: kv_writes / count,
  };
}

export const dollars = (used) => Object.entries(used).reduce((sum, [unit, amount]) => sum + amount * PRICES[unit].dollars, 0);

export const minus = (a, b, times = 1) => Object.fromEntries(Object.keys(a).map((unit) => [unit, a[unit] - times * (b[unit] ?? 0)]));
export const plus = (a, b, times = 1) => minus(a, b, -times);

/** How often one of a scenario's requests made its user ask the project for a lease. */
export const leases = ({ count, objects }) => (objects.project?.asked.lease ?? 0) / count;

/** Whether the project was asked anything but its configuration and leases: told of what its users did. */
export const isTold = ({ objects }) => Object.keys(objects.project?.asked ?? {}).some((name) => !["config", "lease"].includes(name));

/** The parts of which every mixture of requests is made: a request that needs no lease, a lease, a batch of requests told to the project. */
export function parts(results) {
  const of = Object.fromEntries(results.map((one) => [one.key, one]));
  // CPU differs between runs by more than a lease or a batch takes.
  const part = (used) => ({ ...used, cpuMs: 0 });
  const more = leases(of.lease) - leases(of.warm);
  const lease = part(minus(usage(of.lease), usage(of.warm)));
  for (const unit of Object.keys(lease)) lease[unit] = more > 0 ? lease[unit] / more : 0;
  const without = (one, requests = 1) => minus(usage(one, requests), lease, leases(one));
  const bare = without(of.warm);
  const batch = (each) => part(minus(without(of[`told-${each}`], each), bare, each));
  return { bare, lease, leases: leases(of.warm), told: isTold(of["told-10"]), thread: without(of.thread), stream: without(of.stream), one: batch(1), ten: batch(10) };
}

const LEASE_MINUTES = 15;
const TELL_MINUTES = 5;

/** Leases per request of somebody who writes so often: one is over after a quarter of an hour, and when its slice is used up. */
export const leasesAt = (made, perMinute) => Math.min(1, Math.max(made.leases, 1 / (perMinute * LEASE_MINUTES)));

/** Batches per request: requests wait five minutes for the next ones. */
export const batchesAt = (made, perMinute) => (made.told ? 1 / Math.max(1, perMinute * TELL_MINUTES) : 0);

/** A request of somebody who writes so often. */
export function mixture(made, perMinute) {
  const [lease, batches] = [leasesAt(made, perMinute), batchesAt(made, perMinute)];
  const request = plus(made.bare, made.lease, lease);
  // A batch grows evenly between one request and ten.
  return batches === 0 ? request : plus(request, plus(made.one, minus(made.ten, made.one), (1 / batches - 1) / 9), batches);
}
