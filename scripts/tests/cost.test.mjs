// The sums of `npm run cost`, against sums done by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { batchesAt, dollars, leasesAt, mixture, parts, usage } from "../../tests/bench/cost/model.mjs";
import { GUESSES } from "../../tests/bench/cost/prices.mjs";

const object = (calls, rows, more = {}) => ({ calls, alarms: 0, alarms_set: 0, rows_written: rows, rows_read: 0, asked: {}, ...more });
const scenario = (key, count, user, project) => ({ key, count, cpuMicros: count * 1_000, kv_reads: 0, kv_writes: 0, objects: { user, project } });
const million = (used) => Number((1e6 * dollars(used)).toFixed(4));
const perCall = 0.15 + GUESSES.objectMs * 0.001 * 0.128 * 12.5;

test("a request is its calls, rows, time and CPU at list prices", () => {
  const used = usage({ ...scenario("warm", 10, object(20, 20), undefined), objects: { user: object(20, 20) } });
  assert.equal(million(used), Number((0.30 + 0.02 + 2 * perCall + 2).toFixed(4)));
});

test("alarms are calls, and setting one is a row", () => {
  const used = usage({ ...scenario("told", 1, undefined, undefined), objects: { user: object(0, 0, { alarms: 1, alarms_set: 1 }) } }, 0);
  assert.equal(million(used), Number((0.02 + perCall + 1).toFixed(4)));
});

/** Every tenth request leases; a batch is one call and three rows of the project's, an alarm of the user's. */
function results() {
  const asked = (lease, more = {}) => ({ asked: { lease, ...more } });
  const told = (each) => ({ ...scenario(`told-${each}`, 8, object(16 * each, 16 * each, { alarms: 8 }), object(8, 24, { asked: { rollup: 8 } })), cpuMicros: 0 });
  return [
    scenario("warm", 100, object(200, 210), object(10, 10, asked(10))),
    scenario("lease", 10, object(20, 30), object(10, 10, asked(10))),
    scenario("thread", 10, object(20, 40), object(0, 0)), scenario("stream", 10, object(20, 20), object(0, 0)),
    told(1), told(10),
  ];
}

test("a lease, a bare request and a batch come apart", () => {
  const made = parts(results());
  assert.equal(million(made.bare), Number((0.30 + 0.02 + 2 * perCall + 2).toFixed(4)));
  assert.equal(million(made.lease), Number((perCall + 2).toFixed(4)));
  assert.equal(million(made.one), Number((2 * perCall + 3).toFixed(4)));
  assert.equal(million(made.ten), million(made.one));
});

test("who writes seldom leases and tells each time; nobody leases more rarely than slices last", () => {
  const made = parts(results());
  assert.deepEqual([leasesAt(made, 1 / 60), batchesAt(made, 1 / 60)], [1, 1]);
  assert.equal(leasesAt(made, 100), 0.1);
  assert.equal(batchesAt(made, 2), 0.1);
  assert.equal(million(mixture(made, 1 / 60)), Number((0.30 + 0.02 + 2 * perCall + 2 + perCall + 2 + 2 * perCall + 3).toFixed(4)));
  assert.equal(million(mixture({ ...made, told: false }, 1 / 60)), Number((0.30 + 0.02 + 2 * perCall + 2 + perCall + 2).toFixed(4)));
});
